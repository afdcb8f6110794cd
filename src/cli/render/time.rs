//! Times for people: how long ago, how long.

use crate::base::Timestamp;
use crate::base::clock::ago;

/// Within two weeks how long ago, before that the local day and minute.
pub fn when(then: Timestamp, now: Timestamp) -> String {
    const TWO_WEEKS: i64 = 14 * 86_400;
    if now.seconds() - then.seconds() < TWO_WEEKS { ago(then, now) } else { then.local_minutes() }
}

/// How long from one time to the other, in its two largest units: `4 s`, `3 min 5 s`, `2 h 10 min`, `3 d 4 h`.
pub fn duration(from: Timestamp, to: Timestamp) -> String {
    let seconds = to.seconds().saturating_sub(from.seconds()).max(0);
    let (large, small) = match seconds {
        0..60 => return format!("{seconds} s"),
        60..3600 => ((seconds / 60, "min"), (seconds % 60, "s")),
        3600..86_400 => ((seconds / 3600, "h"), (seconds % 3600 / 60, "min")),
        _ => ((seconds / 86_400, "d"), (seconds % 86_400 / 3600, "h")),
    };
    match small.0 {
        0 => format!("{} {}", large.0, large.1),
        _ => format!("{} {} {} {}", large.0, large.1, small.0, small.1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recent_times_are_ages_and_old_ones_are_dates() {
        let now = Timestamp::from_seconds(1_795_273_445);
        assert_eq!(when(Timestamp::from_seconds(now.seconds() - 7200), now), "2 hours ago");
        assert!(when(Timestamp::from_seconds(now.seconds() - 15 * 86_400), now).starts_with("2026-11-0"));
    }

    #[test]
    fn durations_have_at_most_two_units() {
        let span = |seconds: i64| duration(Timestamp::from_seconds(100), Timestamp::from_seconds(100 + seconds));
        assert_eq!(
            [span(-5), span(4), span(185), span(3600), span(7800), span(273_600)],
            ["0 s", "4 s", "3 min 5 s", "1 h", "2 h 10 min", "3 d 4 h"]
        );
    }
}
