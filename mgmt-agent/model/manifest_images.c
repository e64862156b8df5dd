/* SPDX-License-Identifier: MIT */
#include "model/manifest_images.h"

#include <mbedtls/sha256.h>
#include <stdio.h>
#include <string.h>

#include "model/schema_near.h"

#define DIGEST_BYTES 32u
#define DIGEST_TEXT  (2 * DIGEST_BYTES + 1)

static const struct facts_image *image_find(const struct facts *facts, const char *name)
{
    for (unsigned i = 0; i < facts->image_count; i++) {
        if (strcmp(facts->images[i].name, name) == 0) {
            return &facts->images[i];
        }
    }
    return NULL;
}

static void complain_missing(struct json *json, const struct json_node *name, const struct facts *facts)
{
    char hint[SCHEMA_NEAR_BYTES];
    struct schema_near near = {.word = name->string};
    for (unsigned i = 0; i < facts->image_count; i++) {
        schema_near_try(&near, facts->images[i].name);
    }
    json_complain(json, name, "the boot medium holds no image \"%s\"%s copy the file to images/%s on it",
                  name->string, schema_near_hint(&near, hint, ";"), name->string);
}

/* What the file is; empty if nobody knows. */
static void digest_text(const struct facts_image *image, char text[DIGEST_TEXT])
{
    uint8_t digest[DIGEST_BYTES];
    snprintf(text, DIGEST_TEXT, "%s", image->sha256 != NULL ? image->sha256 : "");
    if (image->data != NULL) {
        mbedtls_sha256(image->data, image->bytes, digest, 0); /* it cannot fail in software */
        for (unsigned i = 0; i < DIGEST_BYTES; i++) {
            snprintf(text + (size_t)2 * i, 3, "%02x", digest[i]);
        }
    }
}

/* A text of an object that the schema has not refused; NULL if there is none. */
static const struct json_node *text_of(const struct json_node *object, const char *name)
{
    const struct json_node *member = schema_get(object, name);
    return member != NULL && member->type == JSON_STRING ? member : NULL;
}

/* An element of the manifest's `images`. */
static void check_entry(struct json *json, const struct json_node *entry, const struct facts *facts)
{
    const struct json_node *name = text_of(entry, "name");
    const struct json_node *wanted = text_of(entry, "sha256");
    const struct facts_image *image = name != NULL ? image_find(facts, name->string) : NULL;
    char text[DIGEST_TEXT];
    if (name != NULL && image == NULL) {
        complain_missing(json, name, facts);
    }
    if (image == NULL || wanted == NULL) {
        return;
    }
    digest_text(image, text);
    if (text[0] != 0 && strcmp(text, wanted->string) != 0) {
        json_complain(
            json, wanted,
            "images/%s on the boot medium is another file, with the SHA-256 %s; copy the right one, or "
            "correct this",
            name->string, text);
    }
}

static const struct json_node *images_of(const struct manifest *manifest)
{
    return manifest->usable ? json_member(manifest->root, "images") : NULL;
}

/* Whether the manifest fixes the contents of images, and not rightly those of this one: whoever mistypes a
 * name there does not want to start anything instead. */
static bool is_in_doubt(const struct manifest *manifest, const char *image)
{
    const struct json_node *images = images_of(manifest);
    if (images == NULL || !images->faulty) {
        return false;
    }
    for (const struct json_node *at = images->type == JSON_ARRAY ? images->child : NULL; at != NULL;
         at = at->next) {
        const struct json_node *name = at->type == JSON_OBJECT && !at->faulty ? text_of(at, "name") : NULL;
        if (name != NULL && strcmp(name->string, image) == 0) {
            return false;
        }
    }
    return true;
}

static void check_use(const struct manifest *manifest, const struct partition_spec *spec, const char *field,
                      struct json *json, const struct facts *facts)
{
    const struct json_node *boot = schema_get(spec->node, "boot");
    const struct json_node *name = boot != NULL ? text_of(boot, field) : NULL;
    if (name == NULL) {
        return;
    }
    if (image_find(facts, name->string) == NULL) {
        complain_missing(json, name, facts);
    } else if (is_in_doubt(manifest, name->string)) {
        json_complain(
            json, name,
            "nothing starts from \"%s\" while its element of /images has an error; correct that one",
            name->string);
    }
}

void manifest_images_check(const struct manifest *manifest, struct json *json, const struct facts *facts)
{
    const struct json_node *images = images_of(manifest);
    bool is_list = images != NULL && images->type == JSON_ARRAY;
    for (const struct json_node *at = is_list ? images->child : NULL; at != NULL; at = at->next) {
        if (at->type == JSON_OBJECT) {
            check_entry(json, at, facts);
        }
    }
    for (unsigned i = 0; i < manifest->count; i++) {
        const struct partition_spec *spec = &manifest->partitions[i];
        if (spec->node->type == JSON_OBJECT) {
            check_use(manifest, spec, "kernel", json, facts);
            check_use(manifest, spec, "initramfs", json, facts);
        }
    }
}
