/* SPDX-License-Identifier: MIT */
/* Did you mean: of several known words the one that is most like what stands there. */
#ifndef MODEL_SCHEMA_NEAR_H
#define MODEL_SCHEMA_NEAR_H

#define SCHEMA_NEAR_BYTES 80u

/** A search; set `word` and zero the rest. */
struct schema_near {
    const char *word; /* what stands there */
    const char *best; /* the known word that is nearest, NULL: none is near */
    unsigned distance;
};

/** Compares with one known word, which must stay. */
void schema_near_try(struct schema_near *near, const char *known);

/** @return "; did you mean \"...\"?" in `buffer`, or `otherwise` if nothing is near */
const char *schema_near_hint(const struct schema_near *near, char buffer[SCHEMA_NEAR_BYTES],
                             const char *otherwise);

#endif
