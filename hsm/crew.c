/* SPDX-License-Identifier: Apache-2.0 */
#include "crew.h"

#include <signal.h>
#include <stdlib.h>

#include "clock.h"
#include "fork.h"
#include "sigpipe.h"

struct queue {
    struct job *first, **end;
    unsigned len;
};

struct crew {
    unsigned max_threads;
    unsigned max_waiting_inbound;
    struct breaker breaker; /* has a lock of its own */

    pthread_mutex_t lock; /* guards all below, and the jobs */
    pthread_cond_t work;
    pthread_cond_t closed;
    unsigned refs;
    bool closing;
    unsigned threads;
    unsigned idle;
    unsigned inbound_running;
    struct queue outbound; /* our own dialling goes first */
    struct queue inbound;
    struct job **running; /* max_threads of them, NULL where none is */
    struct job *lost;     /* by forks before this process: their callers are not here to let go */
    bool held[2];         /* over a fork: lock, the breaker's */
};

/* --- queues, under lock --- */

static void append(struct queue *queue, struct job *job)
{
    job->next = NULL;
    *queue->end = job;
    queue->end = &job->next;
    queue->len++;
}

static struct job *shift(struct queue *queue)
{
    struct job *job = queue->first;

    if (job != NULL) {
        queue->first = job->next;
        queue->end = queue->first != NULL ? queue->end : &queue->first;
        queue->len--;
    }
    return job;
}

static void withdraw(struct queue *queue, struct job *job)
{
    for (struct job **link = &queue->first; *link != NULL; link = &(*link)->next) {
        if (*link == job) {
            *link = job->next;
            queue->end = queue->end == &job->next ? link : queue->end;
            queue->len--;
            return;
        }
    }
}

static struct queue *queue_of(struct crew *crew, const struct job *job)
{
    return job->inbound ? &crew->inbound : &crew->outbound;
}

/* The last thread, and with it the last session, is kept for our own dialling. */
static unsigned free_for_inbound(const struct crew *crew)
{
    unsigned all = crew->max_threads > 1 ? crew->max_threads - 1 : 1;
    return all - crew->inbound_running;
}

static struct job *next_job(struct crew *crew)
{
    struct job *job = shift(&crew->outbound);
    return job == NULL && free_for_inbound(crew) > 0 ? shift(&crew->inbound) : job;
}

/* --- life --- */

struct crew *crew_new(unsigned max_threads, unsigned max_waiting_inbound)
{
    struct crew *crew = calloc(1, sizeof(*crew));

    if (crew == NULL) {
        return NULL;
    }
    crew->running = calloc(max_threads, sizeof(struct job *));
    if (crew->running == NULL) {
        free(crew);
        return NULL;
    }
    crew->max_threads = max_threads;
    crew->max_waiting_inbound = max_waiting_inbound;
    crew->refs = 1;
    crew->outbound.end = &crew->outbound.first;
    crew->inbound.end = &crew->inbound.first;
    breaker_init(&crew->breaker);
    pthread_mutex_init(&crew->lock, NULL);
    clock_cond_init(&crew->work);
    clock_cond_init(&crew->closed);
    return crew;
}

/* Under lock, which it releases. */
static void let_go(struct crew *crew)
{
    bool last = --crew->refs == 0;
    pthread_mutex_unlock(&crew->lock);
    if (!last) {
        return;
    }
    pthread_cond_destroy(&crew->work);
    pthread_cond_destroy(&crew->closed);
    pthread_mutex_destroy(&crew->lock);
    breaker_clear(&crew->breaker);
    free(crew->running);
    free(crew);
}

void crew_close(struct crew *crew)
{
    if (crew == NULL) {
        return;
    }
    pthread_mutex_lock(&crew->lock);
    crew->closing = true;
    pthread_cond_broadcast(&crew->work);
    pthread_cond_broadcast(&crew->closed);
    let_go(crew);
}

struct breaker *crew_breaker(struct crew *crew)
{
    return &crew->breaker;
}

/* Under lock. True when the job is nobody's any more. */
static bool unref(struct job *job)
{
    return --job->refs == 0;
}

static void dispose(struct job *job)
{
    pthread_cond_destroy(&job->changed);
    job->free(job);
}

void job_drop(struct crew *crew, struct job *job)
{
    pthread_mutex_lock(&crew->lock);
    bool last = unref(job);
    pthread_mutex_unlock(&crew->lock);
    if (last) {
        dispose(job);
    }
}

/* --- threads --- */

static struct job **desk_of(struct crew *crew, const struct job *job)
{
    unsigned i = 0;
    while (crew->running[i] != job) {
        i++;
    }
    return &crew->running[i];
}

/* Under lock, which is open meanwhile. */
static void perform(struct crew *crew, struct job *job)
{
    struct job **desk = desk_of(crew, NULL);
    *desk = job;
    job->state = JOB_RUNS;
    job->began_ms = clock_now_ms();
    crew->inbound_running += job->inbound ? 1 : 0;
    pthread_mutex_unlock(&crew->lock);

    job->run(job);

    pthread_mutex_lock(&crew->lock);
    *desk = NULL;
    crew->inbound_running -= job->inbound ? 1 : 0;
    job->state = JOB_DONE;
    if (job->waited_for) {
        pthread_cond_signal(&job->changed);
    }
    if (unref(job)) {
        pthread_mutex_unlock(&crew->lock);
        dispose(job);
        pthread_mutex_lock(&crew->lock);
    }
}

static void *work(void *arg)
{
    struct crew *crew = arg;

    sigpipe_blocked_for_good();
    pthread_mutex_lock(&crew->lock);
    for (;;) {
        struct job *job = next_job(crew);
        if (job != NULL) {
            perform(crew, job);
            continue;
        }
        if (crew->closing) {
            break;
        }
        crew->idle++;
        pthread_cond_wait(&crew->work, &crew->lock);
        crew->idle--;
    }
    crew->threads--;
    let_go(crew);
    return NULL;
}

/* Under lock. The host's signals are not for our threads. */
static bool hire(struct crew *crew)
{
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all, before;

    sigfillset(&all);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool made = pthread_create(&thread, &attr, work, crew) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    crew->threads += made ? 1 : 0;
    crew->refs += made ? 1 : 0;
    return made;
}

/* Under lock, before the job is in its queue. False: there is no thread and none can be made. */
static bool find_hands(struct crew *crew)
{
    unsigned waiting = crew->inbound.len + crew->outbound.len;
    if (crew->idle > 0) { /* also when they may be meant for others: it costs a look at the queue */
        pthread_cond_signal(&crew->work);
    }
    bool hired = crew->idle <= waiting && crew->threads < crew->max_threads && hire(crew);
    return hired || crew->threads > 0;
}

/* --- callers --- */

/* Under lock. */
static void enqueue(struct crew *crew, struct job *job, bool waited_for)
{
    job->state = JOB_WAITS;
    job->waited_for = waited_for;
    append(queue_of(crew, job), job);
}

/* Under lock. */
static enum crew_answer await(struct crew *crew, struct job *job, const struct timespec *deadline)
{
    int rc = 0;

    while (job->state != JOB_DONE && !job->called_off && rc == 0) {
        rc = pthread_cond_timedwait(&job->changed, &crew->lock, deadline);
    }
    if (job->state == JOB_DONE) {
        return CREW_DONE;
    }
    job->waited_for = false;
    if (job->state == JOB_WAITS) {
        withdraw(queue_of(crew, job), job);
        (void)unref(job); /* the crew's */
    }
    return job->called_off ? CREW_CALLED_OFF : job->state == JOB_WAITS ? CREW_BUSY : CREW_LEFT;
}

/* Under lock. Those whom a thread is about to take do not wait. */
static bool has_room_inbound(const struct crew *crew)
{
    return crew->max_waiting_inbound == 0 ||
           crew->inbound.len < crew->max_waiting_inbound + free_for_inbound(crew);
}

enum crew_answer crew_do(struct crew *crew, struct job *job, unsigned wait_ms,
                         long long *ret_began_ms)
{
    struct timespec deadline = clock_deadline(wait_ms);
    enum crew_answer answer = CREW_BUSY;
    bool enters = !job->inbound;

    *ret_began_ms = 0;
    job->refs = 1;
    clock_cond_init(&job->changed);
    pthread_mutex_lock(&crew->lock);
    enters = enters || has_room_inbound(crew);
    if (enters && !find_hands(crew)) {
        answer = CREW_FAILED;
    } else if (enters) {
        job->refs = 2;
        enqueue(crew, job, true);
        answer = await(crew, job, &deadline);
        *ret_began_ms = job->began_ms;
    }
    bool last = answer != CREW_DONE && unref(job);
    pthread_mutex_unlock(&crew->lock);
    if (last) {
        dispose(job);
    }
    return answer;
}

bool crew_start(struct crew *crew, struct job *job)
{
    pthread_mutex_lock(&crew->lock);
    bool free_hands =
        crew->idle > crew->inbound.len + crew->outbound.len || crew->threads < crew->max_threads;
    bool started = free_hands && !crew->closing && find_hands(crew);
    if (started) {
        job->refs = 1;
        clock_cond_init(&job->changed);
        enqueue(crew, job, false);
    }
    pthread_mutex_unlock(&crew->lock);
    return started;
}

/* Under lock. */
static void call_off_all(struct queue *queue)
{
    for (struct job *job = queue->first; job != NULL; job = job->next) {
        job->called_off = job->waited_for;
        if (job->waited_for) {
            pthread_cond_signal(&job->changed);
        }
    }
}

void crew_call_off(struct crew *crew)
{
    pthread_mutex_lock(&crew->lock);
    call_off_all(&crew->outbound);
    call_off_all(&crew->inbound);
    for (unsigned i = 0; i < crew->max_threads; i++) {
        struct job *job = crew->running[i];
        if (job != NULL && job->waited_for) {
            job->called_off = true;
            pthread_cond_signal(&job->changed);
        }
    }
    pthread_mutex_unlock(&crew->lock);
}

bool crew_sleep(struct crew *crew, unsigned ms)
{
    struct timespec deadline = clock_deadline(ms);
    int rc = 0;

    pthread_mutex_lock(&crew->lock);
    while (!crew->closing && rc == 0) {
        rc = pthread_cond_timedwait(&crew->closed, &crew->lock, &deadline);
    }
    bool go_on = !crew->closing;
    pthread_mutex_unlock(&crew->lock);
    return go_on;
}

/* --- forks --- */

bool crew_hold(struct crew *crew, long long deadline_ms)
{
    crew->held[0] = fork_lock_by(&crew->lock, deadline_ms);
    crew->held[1] = fork_lock_by(&crew->breaker.lock, deadline_ms);
    return crew->held[0] && crew->held[1];
}

void crew_release(struct crew *crew)
{
    if (crew->held[1]) {
        pthread_mutex_unlock(&crew->breaker.lock);
    }
    if (crew->held[0]) {
        pthread_mutex_unlock(&crew->lock);
    }
}

static void lose(struct crew *crew, struct job *job)
{
    job->next = crew->lost;
    crew->lost = job;
}

static void lose_all(struct crew *crew, struct queue *queue)
{
    for (struct job *job = shift(queue); job != NULL; job = shift(queue)) {
        lose(crew, job);
    }
}

void crew_renew(struct crew *crew)
{
    lose_all(crew, &crew->outbound);
    lose_all(crew, &crew->inbound);
    for (unsigned i = 0; i < crew->max_threads; i++) {
        if (crew->running[i] != NULL) {
            lose(crew, crew->running[i]);
        }
        crew->running[i] = NULL;
    }
    crew->refs = 1;
    crew->threads = 0;
    crew->idle = 0;
    crew->inbound_running = 0;
    clock_cond_init(&crew->work);
    clock_cond_init(&crew->closed);
    breaker_renew(&crew->breaker);
}
