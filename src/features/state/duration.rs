//! Active time: the sum of the times between events that are not further apart than half an hour.

use crate::base::Timestamp;

/// A longer pause is no work.
const LONGEST_PAUSE_MS: i64 = 30 * 60 * 1000;

/// What the time since the last event adds, in milliseconds.
pub fn active_between(last: Timestamp, now: Timestamp) -> u64 {
    let gap = now.millis() - last.millis();
    if (0..=LONGEST_PAUSE_MS).contains(&gap) { gap.unsigned_abs() } else { 0 }
}

/// Milliseconds as whole minutes, rounded to the nearest.
pub const fn minutes(millis: u64) -> u64 {
    (millis + 30_000) / 60_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_of_more_than_half_an_hour_does_not_count() {
        let at = |minutes: i64| Timestamp::from_seconds(minutes * 60);
        let events = [0, 10, 40, 71, 80];
        let sum = events.windows(2).map(|w| active_between(at(w[0]), at(w[1]))).sum();
        assert_eq!(minutes(sum), 49);
        assert_eq!(active_between(at(5), at(1)), 0, "a clock that went back");
    }

    #[test]
    fn minutes_are_rounded() {
        assert_eq!((minutes(29_999), minutes(30_000), minutes(90_000)), (0, 1, 2));
    }
}
