//! Time: the one place that reads the system clock, and the one form in which times are stored.
//!
//! Stored times are RFC 3339 in UTC with milliseconds. Tests fix the clock from outside, so nothing above asks the system.

use chrono::{DateTime, SecondsFormat, TimeZone as _, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A moment, in milliseconds since 1970 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since 1970 UTC.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// From whole seconds since 1970 UTC, as git stores them.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// Milliseconds since 1970 UTC.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970 UTC, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Reads an RFC 3339 time with any offset.
    pub fn parse(text: &str) -> super::Result<Self> {
        DateTime::parse_from_rfc3339(text)
            .map(|t| Self(t.timestamp_millis()))
            .map_err(|_| super::Error::BadText { text: text.to_owned(), wanted: "an RFC 3339 time" })
    }

    /// Reads `2026-11-21 14:03`, with or without seconds, in local time.
    pub fn parse_local(text: &str) -> Option<Self> {
        let naive = ["%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M"]
            .iter()
            .find_map(|form| chrono::NaiveDateTime::parse_from_str(text, form).ok())?;
        let local = chrono::Local.from_local_datetime(&naive).earliest()?;
        Some(Self(local.timestamp_millis()))
    }

    /// The UTC day as `YYYYMMDD`, for labels.
    pub fn day(self) -> String {
        self.utc().format("%Y%m%d").to_string()
    }

    /// Local wall-clock time for people: `2026-11-21 14:03`.
    pub fn local_minutes(self) -> String {
        self.utc().with_timezone(&chrono::Local).format("%Y-%m-%d %H:%M").to_string()
    }

    /// `HH:MM:SS` local time.
    pub fn local_clock(self) -> String {
        self.utc().with_timezone(&chrono::Local).format("%H:%M:%S").to_string()
    }

    /// Minutes that local time is east of UTC at this moment, as commits note it.
    pub fn local_offset(self) -> i32 {
        use chrono::Offset as _;
        self.utc().with_timezone(&chrono::Local).offset().fix().local_minus_utc() / 60
    }

    fn utc(self) -> DateTime<Utc> {
        Utc.timestamp_millis_opt(self.0).single().unwrap_or_default()
    }
}

impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.utc().to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// Where the present moment comes from.
#[derive(Clone, Copy, Debug)]
pub enum Clock {
    /// The system's clock.
    System,
    /// Always this moment; for tests and reproducible demonstrations.
    Fixed(Timestamp),
}

impl Clock {
    /// The present moment.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => Timestamp(Utc::now().timestamp_millis()),
            Self::Fixed(at) => *at,
        }
    }
}

/// How long ago `then` was, seen from `now`, in one unit: `just now`, `5 minutes ago`, `3 days ago`.
pub fn ago(then: Timestamp, now: Timestamp) -> String {
    let seconds = (now.0 - then.0).max(0) / 1000;
    let (count, unit) = match seconds {
        0..=9 => return "just now".to_owned(),
        10..=59 => (seconds, "second"),
        60..=3599 => (seconds / 60, "minute"),
        3600..=86_399 => (seconds / 3600, "hour"),
        86_400..=2_591_999 => (seconds / 86_400, "day"),
        2_592_000..=31_535_999 => (seconds / 2_592_000, "month"),
        _ => (seconds / 31_536_000, "year"),
    };
    format!("{count} {unit}{} ago", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_reads_back_as_it_was_written() {
        let t = Timestamp::from_millis(1_795_273_445_123);
        assert_eq!(Timestamp::parse(&t.to_string()).ok(), Some(t));
        assert_eq!(t.to_string(), "2026-11-21T15:04:05.123Z");
    }

    #[test]
    fn ages_are_told_in_one_unit() {
        let now = Timestamp::from_seconds(10_000_000);
        assert_eq!(ago(Timestamp::from_seconds(10_000_000 - 61), now), "1 minute ago");
        assert_eq!(ago(Timestamp::from_seconds(10_000_000 - 7300), now), "2 hours ago");
        assert_eq!(ago(now, now), "just now");
    }
}
