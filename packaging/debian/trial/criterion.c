#include <criterion/criterion.h>
Test(arithmetic, sums) { cr_assert_eq(1 + 1, 2); }
Test(arithmetic, differences) { cr_assert_eq(3 - 1, 2); }
