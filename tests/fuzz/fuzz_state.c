/* SPDX-License-Identifier: Apache-2.0
 * The files of state_dir: marks of refused PINs, and the ledger of CRL numbers. The text tells
 * which one it is. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fixtures/authority.h"
#include "fuzz/fuzz.h"
#include "pin/refused_marks.h"
#include "trust/crl_ledger.h"

static const char *folder;
static const char *ledger_path;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    folder = path_of("%s/state", scratch_folder());
    ledger_path = path_of("%s/crl-numbers.json", folder);
    fuzz_require(mkdir(folder, 0700) == 0, "the folder");
    return 0;
}

/* Marks that are read are exactly what is printed, so that nothing can be added to a file. */
static void check_marks(const char *text, size_t len)
{
    struct refused_marks marks;
    char printed[REFUSED_MARKS_TEXT_BYTES];

    if (refused_marks_parse(text, len, &marks)) {
        fuzz_require(marks.len <= REFUSED_MARKS_MAX, "more marks than there is room for");
        fuzz_require(refused_marks_print(&marks, printed) == len && memcmp(printed, text, len) == 0,
                     "marks are printed otherwise than read");
    }
}

static struct crl_ledger *open_ledger(void)
{
    nk_error err = { .struct_size = sizeof(err) };
    struct crl_ledger *ledger = NULL;
    nk_status status = crl_ledger_open(folder, &ledger, &err);

    if (status != NK_OK) {
        fuzz_require(ledger == NULL, "a refused ledger was given");
        fuzz_check_error(&err, status, 1u << NK_E_TRUST);
    }
    return ledger;
}

/* What is read, and one number more, is written so that it is read again. */
static void check_ledger(const char *text)
{
    static const struct crl_order order = { .key = { 1 }, .numbered = true, .number = { 2 } };
    static const struct crl_order older = { .key = { 1 }, .numbered = true, .number = { 1 } };

    fuzz_write_file(ledger_path, (const uint8_t *)text, strlen(text));
    struct crl_ledger *ledger = open_ledger();
    if (ledger == NULL) {
        return;
    }
    if (crl_ledger_enter(ledger, &order, "CN=issuer")) {
        fuzz_require(crl_ledger_save(ledger, NULL) == NK_OK, "the ledger is not saved");
        crl_ledger_free(ledger);
        ledger = open_ledger();
        fuzz_require(ledger != NULL, "what was saved is not read");
        fuzz_require(crl_ledger_has_newer(ledger, &older), "what was entered is forgotten");
    }
    crl_ledger_free(ledger);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char *text = fuzz_text(data, len);

    check_marks((const char *)data, len);
    if (text[0] == '{' || text[0] == '[') {
        check_ledger(text);
    }
    free(text);
    return 0;
}
