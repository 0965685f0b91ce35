/* image: the bytes of muster-init, put here by the build (init/embed.c). */
#ifndef MUSTER_SANDBOX_IMAGE_H
#define MUSTER_SANDBOX_IMAGE_H

#include <stddef.h>

extern const unsigned char muster_init_image[];
extern const size_t muster_init_image_size;

#endif
