/* SPDX-License-Identifier: MIT */
/*
 * The system calls that musl makes on behalf of the agent, as a table. A call that is not in the table ends
 * the agent with its number: the table is short on purpose.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "cpu.h"
#include "heap.h"
#include "kernel.h"
#include "os.h"

#define THREAD_ID 1

struct call {
    long number;
    long (*answer)(long a1, long a2, long a3);
};

static long console_write(const char *data, size_t bytes)
{
    static struct mullion_buffer request;
    request = (struct mullion_buffer){.gpa = os_gpa(data), .bytes = bytes < 65536 ? (uint32_t)bytes : 65536u};
    return os_hypercall(MULLION_CALL_HOST_CONSOLE_WRITE, &request) == 0 ? (long)request.bytes : -EIO;
}

static long answer_writev(long fd, long vectors, long count)
{
    (void)fd;
    const struct iovec *v = (const struct iovec *)vectors;
    long total = 0;
    for (long i = 0; i < count; i++) {
        for (size_t done = 0; done < v[i].iov_len;) {
            long moved = console_write((const char *)v[i].iov_base + done, v[i].iov_len - done);
            if (moved <= 0) {
                return total > 0 ? total : -EIO;
            }
            done += (size_t)moved;
            total += moved;
        }
    }
    return total;
}

static long answer_thread_id(long a1, long a2, long a3)
{
    (void)a1, (void)a2, (void)a3;
    return THREAD_ID;
}

static long answer_nothing(long a1, long a2, long a3)
{
    (void)a1, (void)a2, (void)a3;
    return 0;
}

static long answer_no_terminal(long a1, long a2, long a3)
{
    (void)a1, (void)a2, (void)a3;
    return -ENOTTY;
}

static long answer_abort(long thread, long signal, long a3)
{
    (void)thread, (void)a3;
    char text[64];
    snprintf(text, sizeof(text), "abort(): signal %ld raised by the agent's own code", signal);
    os_die(text);
}

static long answer_exit(long status, long a2, long a3)
{
    (void)a2, (void)a3;
    char text[64];
    snprintf(text, sizeof(text), "main() ended with status %ld", status);
    os_die(text);
}

/* musl asks for anonymous memory only: there is nothing else to map. */
static long answer_mmap(long address, long bytes, long protection)
{
    (void)address, (void)protection;
    void *pages = bytes > 0 ? heap_take((size_t)bytes) : NULL;
    return pages != NULL ? (long)pages : -ENOMEM;
}

static long answer_munmap(long address, long bytes, long a3)
{
    (void)a3;
    heap_give((void *)address, (size_t)bytes); // NOLINT(performance-no-int-to-ptr)
    return 0;
}

static long answer_no_call(long a1, long a2, long a3)
{
    (void)a1, (void)a2, (void)a3;
    return -ENOSYS;
}

static long answer_clock(long clock, long to, long a3)
{
    (void)a3;
    return clock_read(clock, (struct timespec *)to); // NOLINT(performance-no-int-to-ptr)
}

static long answer_random(long to, long bytes, long flags)
{
    (void)flags;
    return os_random((void *)to, (size_t)bytes) == 0 ? bytes : -EIO; // NOLINT(performance-no-int-to-ptr)
}

static const struct call calls[] = {
    {SYS_mmap, answer_mmap},        /* malloc */
    {SYS_munmap, answer_munmap},    /* free */
    {SYS_mprotect, answer_nothing}, /* malloc opens pages that it has taken before */
    {SYS_brk, answer_nothing},      /* no break: malloc takes pages instead */
    {SYS_madvise, answer_no_call},  /* free */
    {SYS_mremap, answer_no_call},   /* realloc copies instead */
    {SYS_clock_gettime, answer_clock},
    {SYS_getrandom, answer_random},
    {SYS_writev, answer_writev},             /* assertion texts on stderr */
    {SYS_ioctl, answer_no_terminal},         /* stdio asks whether stdout is a terminal */
    {SYS_set_tid_address, answer_thread_id}, /* thread set-up */
    {SYS_getpid, answer_thread_id},          /* mbedTLS: has the random generator been forked? */
    {SYS_gettid, answer_thread_id},          /* raise() in abort() */
    {SYS_rt_sigprocmask, answer_nothing},    /* abort() */
    {SYS_tkill, answer_abort},               /* abort() */
    {SYS_exit_group, answer_exit},
    {SYS_exit, answer_exit},
};

long os_syscall(long number, long a1, long a2, long a3, long a4, long a5, long a6)
{
    (void)a4, (void)a5, (void)a6;
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        if (calls[i].number == number) {
            return calls[i].answer(a1, a2, a3);
        }
    }
    char text[80];
    snprintf(text, sizeof(text), "system call %ld is not in the table of os/syscall.c", number);
    os_die(text);
}

/* Replaces musl's assembly, which would use the SYSCALL instruction. */
int __set_thread_area(void *pointer);

int __set_thread_area(void *pointer)
{
    cpu_wrmsr(MSR_FS_BASE, (uintptr_t)pointer);
    return 0;
}
