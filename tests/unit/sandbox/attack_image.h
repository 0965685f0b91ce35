/* attack_image: the bytes of the attack program, put into each test program by the build. */
#ifndef MUSTER_TESTS_SANDBOX_ATTACK_IMAGE_H
#define MUSTER_TESTS_SANDBOX_ATTACK_IMAGE_H

#include <stddef.h>

extern const unsigned char attack_image[];
extern const size_t attack_image_size;

#endif
