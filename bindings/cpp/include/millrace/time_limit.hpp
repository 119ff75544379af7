// SPDX-License-Identifier: MIT
//
// How long a call may take.
#ifndef MILLRACE_TIME_LIMIT_HPP
#define MILLRACE_TIME_LIMIT_HPP

#include <chrono>
#include <limits>
#include <ratio>

namespace millrace {

/// A time limit that never ends. What is below 0 is none: it is what is left of a time that is over.
inline constexpr std::chrono::milliseconds forever = std::chrono::milliseconds::max();

/// How long a call may take: any std::chrono::duration, or forever.
class time_limit {
public:
    template <class Rep, class Period>
    constexpr time_limit(std::chrono::duration<Rep, Period> time) noexcept : milliseconds_(of(time)) {}

    /// Whole milliseconds, as functions of C take them: -1 is for ever; what an int does not hold is 24 days.
    constexpr int milliseconds() const noexcept { return milliseconds_; }

private:
    template <class Rep, class Period>
    static constexpr int of(std::chrono::duration<Rep, Period> time) noexcept {
        // Other durations may not hold what others have, and would overflow: a double holds all.
        using wide = std::chrono::duration<double, std::milli>;
        const double count = wide(time).count();
        if (!(count > 0)) return 0;
        if (count >= wide(forever).count()) return -1;
        if (count >= std::numeric_limits<int>::max()) return std::numeric_limits<int>::max();
        const int whole = static_cast<int>(count);
        return whole < count ? whole + 1 : whole;
    }

    int milliseconds_;
};

}  // namespace millrace

#endif
