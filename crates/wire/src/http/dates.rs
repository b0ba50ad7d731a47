//! Points in time as HTTP and Java write them. Both are UTC, without any library: the calendar has not changed lately.

use nacrite_base::Timestamp;

const SECONDS_PER_DAY: u64 = 86_400;

const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A point in time, taken apart.
struct Civil {
    year: u64,
    /// From 1.
    month: u64,
    day: u64,
    hour: u64,
    minute: u64,
    second: u64,
    ms: u64,
    weekday: &'static str,
}

impl Civil {
    fn of(at: Timestamp) -> Self {
        let (seconds, ms) = (at.as_ms() / 1000, at.as_ms() % 1000);
        let (days, rest) = (seconds / SECONDS_PER_DAY, seconds % SECONDS_PER_DAY);
        // Counts from the first of March of the year 0, so that a leap day is the last day of a year; eras of 400 years
        // are all equally long.
        let shifted = days + 719_468;
        let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * day_of_year + 2) / 153;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        Self {
            year: year_of_era + era * 400 + u64::from(month <= 2),
            month,
            day: day_of_year - (153 * from_march + 2) / 5 + 1,
            hour: rest / 3600,
            minute: rest / 60 % 60,
            second: rest % 60,
            ms,
            weekday: usize::try_from(days % 7).map_or("", |day| WEEKDAYS[day]),
        }
    }
}

/// As in `Last-Modified`: `Fri, 20 Nov 2026 09:51:47 GMT`.
#[must_use]
pub fn http_date(at: Timestamp) -> String {
    let civil = Civil::of(at);
    let month = usize::try_from(civil.month - 1).map_or("", |month| MONTHS[month]);
    let Civil { year, day, hour, minute, second, weekday, .. } = civil;
    format!("{weekday}, {day:02} {month} {year} {hour:02}:{minute:02}:{second:02} GMT")
}

/// As Java writes it: `2026-11-20T09:55:27.270+00:00`.
#[must_use]
pub fn iso_date(at: Timestamp) -> String {
    let Civil { year, month, day, hour, minute, second, ms, .. } = Civil::of(at);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}+00:00")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (ms, iso, http) in [
            (0, "1970-01-01T00:00:00.000+00:00", "Thu, 01 Jan 1970 00:00:00 GMT"),
            (951_782_399_999, "2000-02-28T23:59:59.999+00:00", "Mon, 28 Feb 2000 23:59:59 GMT"),
            (951_868_800_001, "2000-03-01T00:00:00.001+00:00", "Wed, 01 Mar 2000 00:00:00 GMT"),
            (1_709_164_800_000, "2024-02-29T00:00:00.000+00:00", "Thu, 29 Feb 2024 00:00:00 GMT"),
            (1_795_168_527_270, "2026-11-20T09:55:27.270+00:00", "Fri, 20 Nov 2026 09:55:27 GMT"),
            (4_102_444_800_000, "2100-01-01T00:00:00.000+00:00", "Fri, 01 Jan 2100 00:00:00 GMT"),
        ] {
            let at = Timestamp::from_ms(ms);
            assert_eq!((iso_date(at).as_str(), http_date(at).as_str()), (iso, http));
        }
    }
}
