/* SPDX-License-Identifier: Apache-2.0 */
#include "fault/pulse.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fault/figures.h"

#define EVERY_MS 2

static pthread_t asks, answers;
static int ends[2];
static atomic_bool enough;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards `late` */
static struct figures late;

static void *answer(void *unused)
{
    char word = 0;
    while (read(ends[1], &word, 1) == 1 && write(ends[1], &word, 1) == 1) {
    }
    return unused;
}

static void *ask(void *unused)
{
    char word = 0;
    while (!enough) {
        double start = now_ms();
        rest_ms(EVERY_MS);
        (void)!write(ends[0], &word, 1);
        (void)!read(ends[0], &word, 1);
        pthread_mutex_lock(&lock);
        figures_add(&late, now_ms() - start - EVERY_MS);
        pthread_mutex_unlock(&lock);
    }
    return unused;
}

void pulse_start(void)
{
    enough = false;
    figures_clear(&late);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0 ||
        pthread_create(&answers, NULL, answer, NULL) != 0 ||
        pthread_create(&asks, NULL, ask, NULL) != 0) {
        perror("pulse");
        abort();
    }
}

void pulse_clear(void)
{
    pthread_mutex_lock(&lock);
    figures_clear(&late);
    pthread_mutex_unlock(&lock);
}

double pulse_longest_ms(void)
{
    pthread_mutex_lock(&lock);
    double longest = late.longest;
    pthread_mutex_unlock(&lock);
    return longest;
}

double pulse_p99_ms(void)
{
    pthread_mutex_lock(&lock);
    double p99 = late.len > 0 ? figures_p99(&late) : 0;
    pthread_mutex_unlock(&lock);
    return p99;
}

void pulse_stop(void)
{
    enough = true;
    pthread_join(asks, NULL);
    close(ends[0]);
    pthread_join(answers, NULL);
    close(ends[1]);
}
