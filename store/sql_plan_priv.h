/* sql_plan_priv.h: the words and the number that a plan is written in, and read back from. */
#ifndef MC_SQL_PLAN_PRIV_H
#define MC_SQL_PLAN_PRIV_H

#include <string.h>

#include "store/sql_priv.h"

/* idxNum: the used columns, and above them the order. */
enum mc_sql_plan_bits {
    MC_SQL_PLAN_COLUMNS = (1 << MC_SQL_COLUMNS_MAX) - 1,
    MC_SQL_PLAN_ORDER_SHIFT = MC_SQL_COLUMNS_MAX, /* two bits */
    MC_SQL_PLAN_RUN_DESC = 1 << 18,
    MC_SQL_PLAN_TS_DESC = 1 << 19,
    MC_SQL_PLAN_SOURCE_DESC = 1 << 20,
    MC_SQL_PLAN_IN_ORDER = 1 << 21
};

static const struct {
    unsigned char op;
    char text[3];
} mc_sql_ops[] = {
    {SQLITE_INDEX_CONSTRAINT_GE, ">="}, {SQLITE_INDEX_CONSTRAINT_LE, "<="},
    {SQLITE_INDEX_CONSTRAINT_GT, ">"},  {SQLITE_INDEX_CONSTRAINT_LT, "<"},
    {SQLITE_INDEX_CONSTRAINT_EQ, "="},
};
enum { MC_SQL_OP_COUNT = sizeof mc_sql_ops / sizeof mc_sql_ops[0] };

static inline size_t mc_sql_name_bytes(const struct mc_sql_column *c)
{
    return strcspn(c->name, " "); /* "… HIDDEN" */
}

#endif
