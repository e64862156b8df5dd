/* SPDX-License-Identifier: MIT */
/* The whole model: the box, its manifest, and where each partition is in its life. */
#ifndef MODEL_MACHINE_H
#define MODEL_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include "driver/driver.h"
#include "model/box.h"
#include "model/identity.h"
#include "model/manifest.h"
#include "model/site.h"
#include "net/net.h"
#include "store/state.h"

#define MACHINE_FINGERPRINT_BYTES 96u

/** Where a partition is in its life, as the agent sees it. */
enum partition_phase {
    PHASE_REFUSED, /* its manifest entry has an error: never created */
    PHASE_ABSENT,  /* not created: no CPU or memory is held */
    PHASE_WAITING, /* to be created when its memory has been scrubbed and its addresses are known */
    PHASE_DEFINED, /* created, not started */
    PHASE_RUNNING,
    PHASE_PAUSED,
    PHASE_STOPPED,
    PHASE_COUNT,
};

/** Why something could not be done: "what: why: remedy". */
struct failure {
    char text[PROBLEM_BYTES];
};

/** A partition of the manifest. */
struct partition {
    const struct partition_spec *spec;
    enum partition_phase phase;
    enum desired_state desired;
    uint32_t id; /* the VMM's, 0: not created */
    uint32_t crash_restarts;
    uint32_t attempts;                  /* starts begun and not ended, by agents that died in them too */
    bool live;                          /* was running; its end has not been dealt with yet */
    uint32_t quick_restarts;            /* in a row, none after a calm run */
    uint64_t restart_at_ms;             /* it has ended and is started again then; 0: no */
    uint64_t stop_by_ms;                /* its power button was pressed: stopped by force then; 0: no */
    struct mullion_partition_info info; /* as of the last change */
    struct failure trouble;             /* shown under `problems:`; empty if all is well */
};

/** What the whole box is about to do. */
enum box_ending {
    BOX_STAYS = 0,
    BOX_REBOOTS,
    BOX_POWERS_OFF,
};

struct machine {
    struct box box;
    struct json manifest_json, site_json;
    struct manifest manifest;
    struct site site;
    uint8_t seed[STATE_SEED_BYTES]; /* of names and MAC addresses */
    enum identity_source seed_kind;
    char token[STATE_TOKEN_BYTES];          /* empty: no entropy, so nobody can log in */
    uint8_t identity[STATE_IDENTITY_BYTES]; /* of TLS; the bytes are tls/'s */
    uint32_t identity_bytes;
    struct driver driver;
    struct partition_spec driver_spec; /* what machine_look() shows of it */
    struct partition driver_view;
    bool net_known, has_lease; /* `net` has been told; the agent has an address by DHCP */
    struct net_status net;
    char fingerprint[MACHINE_FINGERPRINT_BYTES]; /* of the certificate, "AB:CD:..."; empty: none */
    uint64_t wrong_tokens, wrong_tokens_told_ms; /* shown since the last line about them; when that was */
    enum box_ending ending;
    uint64_t ending_from_ms, ending_by_ms; /* then the next step is taken without asking any longer */
    bool guests_gone;                      /* all partitions have ended, the driver VM is next */
    struct problem_list problems;          /* those that do not change: manifest, box */
    unsigned partition_count;
    struct partition partitions[MANIFEST_MAX_PARTITIONS];
    uint8_t *state_area;
    uint64_t boot_ms; /* 0 until the autostart partitions have been started */
    /** Called with one line about something that happened by itself, for example a guest's power-off. */
    void (*announce)(const char *line);
};

/**
 * Reads box, site configuration and manifest. In an agent that was restarted, takes over the partitions that
 * exist. Nothing is started yet.
 */
void machine_read(struct machine *machine, void (*announce)(const char *line));

/** Starts the partitions that are wanted running and are not; those whose memory is dirty stay PHASE_WAITING.
 */
void machine_bring_up(struct machine *machine);

/** @return true while some partition still waits to be started for the first time */
bool machine_is_waiting(const struct machine *machine);

/** @return true while something will soon change that the first status block should show: partitions that
 * wait, a driver VM that boots, a cable that leads to no address yet */
bool machine_is_settling(const struct machine *machine);

/** Takes note of partitions whose state changed (bits by the VMM's identifier) and acts as the manifest says.
 */
void machine_states_changed(struct machine *machine, uint64_t state_mask);

/** Takes note of everything that EVENT_WAIT has told; machine_tick() is to follow. */
void machine_event(struct machine *machine, const struct mullion_event_wait *event);

/** Does what is due. Cheap if nothing is. */
void machine_tick(struct machine *machine);

/** @return the TSC at which machine_tick() has something to do at the latest, UINT64_MAX for never */
uint64_t machine_deadline(const struct machine *machine);

/** Loads and starts a partition that has ended. */
void machine_start_again(struct machine *machine, struct partition *p);

/** @return milliseconds since the VMM got control */
uint64_t machine_ms(const struct machine *machine);

/** From now on names and MAC addresses can be made: `seed` is set. */
void machine_identify(struct machine *machine, enum identity_source source);

/** @return whether the agent has its network port: then net_start() may be called */
bool machine_net_ready(const struct machine *machine);

/** Formats a line about something that happened by itself and passes it to `announce`. */
__attribute__((format(printf, 2, 3))) void machine_announce(const struct machine *machine, const char *format,
                                                            ...);

/**
 * Ends all partitions, by their power buttons and after a time-out by force, then the driver VM, then
 * restarts the box or switches it off.
 * @return 0, or -1 with *failure if the box cannot do that
 */
int machine_end(struct machine *machine, enum box_ending how, struct failure *failure);

/** Keeps what must outlive the agent. Called by every function that changes it. */
void machine_save(struct machine *machine);

/** @return the partition with this name, or NULL */
struct partition *machine_partition(struct machine *machine, const char *name);

/** As machine_partition, and "driver" gives a view of the driver VM: to look at, or to stop. */
struct partition *machine_look(struct machine *machine, const char *name);

/** @return the partition with this identifier of the VMM, or NULL */
struct partition *machine_partition_by_id(struct machine *machine, uint32_t id);

/** @return the name of the partition with this identifier of the VMM, the agent and the driver VM included */
const char *machine_owner_name(const struct machine *machine, uint32_t id);

/** @return "running", "stopped" ...: one word */
const char *machine_phase_name(enum partition_phase phase);

/* ---- what can be done with a partition: 0, or -1 with *failure
 * ---------------------------------------------- */

/** Creates it if needed, loads it and starts it; PHASE_WAITING counts as success. */
int partition_start(struct machine *machine, struct partition *p, struct failure *failure);

/** Stops it at once, without asking the guest. */
int partition_stop(struct machine *machine, struct partition *p, struct failure *failure);

#define PARTITION_STOP_MS 30000u /* that a guest has after its power button was pressed */

/** Presses its power button, and stops it by force if it still runs after PARTITION_STOP_MS; a paused one at
 * once. */
int partition_stop_gracefully(struct machine *machine, struct partition *p, struct failure *failure);

int partition_pause(struct machine *machine, struct partition *p, struct failure *failure);
int partition_resume(struct machine *machine, struct partition *p, struct failure *failure);

/** Starts it anew with fresh images, whatever it does now. */
int partition_reset(struct machine *machine, struct partition *p, struct failure *failure);

/** Presses its ACPI power button. */
int partition_power_button(struct machine *machine, struct partition *p, struct failure *failure);

/** Gives back its CPUs and memory. */
int partition_destroy(struct machine *machine, struct partition *p, struct failure *failure);

/** Destroys it without touching what is wanted of it; `id` is 0 then, unless the VMM refused. */
void partition_discard(struct partition *p);

/** Asks the VMM for its state and takes it over into `phase` and `info`. */
void partition_refresh(struct partition *p);

#endif
