//! Packet time. Nothing here reads a clock: every instant comes from a packet.

use std::fmt;

/// An instant in nanoseconds since 1970-01-01T00:00:00Z, as the capture stamped it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// Nanoseconds from `earlier` to `self`; 0 where time went backwards.
    pub const fn since_ns(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Whole seconds since the epoch.
    pub const fn seconds(self) -> u64 {
        self.0 / 1_000_000_000
    }

    /// The beginning of a day in UTC, written `2027-01-01`; `None` where there is no such day since 1970.
    pub fn from_date(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let mut number = |width: usize| {
            let part = parts.next().filter(|p| p.len() == width)?;
            let digits = part.bytes().all(|b| b.is_ascii_digit());
            digits.then(|| part.parse::<u64>().ok()).flatten()
        };
        let (year, month, day) = (number(4)?, number(2)?, number(2)?);
        if parts.next().is_some() || year < 1970 || !(1..=12).contains(&month) || day == 0 {
            return None;
        }
        // The inverse of the era arithmetic below: years begin in March.
        let y = if month <= 2 { year - 1 } else { year };
        let (era, yoe) = (y / 400, y % 400);
        let doy = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
        let days = (era * 146_097 + doe).checked_sub(719_468)?;
        let time = Self(days.checked_mul(86_400_000_000_000)?);
        // A day that the month does not have comes out as another.
        time.to_string().starts_with(text).then_some(time)
    }

    /// Reads what [`Self::write_rfc3339`] writes; `None` for anything else.
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        let (day, clock) = text.split_once('T')?;
        let (clock, fraction) = clock.strip_suffix('Z')?.split_once('.')?;
        let mut parts = clock
            .split(':')
            .map(|part| part.parse::<u8>().ok().map(u64::from));
        let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
        let nanoseconds = (fraction.len() == 9)
            .then(|| fraction.parse::<u64>().ok())
            .flatten()?;
        let within = (hour * 3600 + minute * 60 + second) * 1_000_000_000 + nanoseconds;
        let time = Self(Self::from_date(day)?.0.checked_add(within)?);
        // Numbers out of range, signs and the like come out as another text.
        (time.to_string() == text).then_some(time)
    }

    /// Appends RFC 3339 in UTC with nanoseconds, `2018-10-31T23:59:59.000000001Z`.
    pub fn write_rfc3339(self, out: &mut Vec<u8>) {
        // Civil date from days, after the well-known era arithmetic of the proleptic Gregorian calendar.
        let (days, second) = (self.seconds() / 86_400, self.seconds() % 86_400);
        let z = days + 719_468;
        let (era, doe) = (z / 146_097, z % 146_097);
        let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
        let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
        let mp = (5 * doy + 2) / 153;
        let day = doy - (153 * mp + 2) / 5 + 1;
        let month = if mp < 10 { mp + 3 } else { mp - 9 };
        let year = yoe + era * 400 + u64::from(month <= 2);
        let mut text = *b"0000-00-00T00:00:00.000000000Z";
        let ns = self.0 % 1_000_000_000;
        for (at, value) in [
            (0, year / 100),
            (2, year),
            (5, month),
            (8, day),
            (11, second / 3600),
            (14, second / 60 % 60),
            (17, second % 60),
            (20, ns / 10_000_000),
            (22, ns / 100_000),
            (24, ns / 1_000),
            (26, ns / 10),
        ] {
            if let Some(pair) = text.get_mut(at..).and_then(|t| t.first_chunk_mut::<2>()) {
                *pair = two_digits(value % 100);
            }
        }
        if let Some(digit) = text.get_mut(28) {
            *digit = b'0' + (ns % 10) as u8;
        }
        out.extend_from_slice(&text);
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::with_capacity(30);
        self.write_rfc3339(&mut out);
        f.write_str(&String::from_utf8_lossy(&out))
    }
}

/// The two decimal digits of a number below 100.
#[inline]
pub(crate) fn two_digits(value: u64) -> [u8; 2] {
    const PAIRS: [[u8; 2]; 100] = {
        let mut pairs = [[0; 2]; 100];
        let mut n = 0;
        while n < 100 {
            pairs[n] = [b'0' + (n / 10) as u8, b'0' + (n % 10) as u8];
            n += 1;
        }
        pairs
    };
    PAIRS.get(value as usize).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_days() {
        for text in [
            "1970-01-01",
            "2000-02-29",
            "2027-01-01",
            "2100-03-01",
            "2554-07-21",
        ] {
            let day = Timestamp::from_date(text).expect(text);
            assert_eq!(day.to_string(), format!("{text}T00:00:00.000000000Z"));
        }
        for text in [
            "",
            "2027",
            "2027-1-1",
            "2027-02-29",
            "2027-13-01",
            "2027-00-01",
            "2027-01-00",
            "1969-12-31",
            "2027-01-01T00:00:00Z",
            "2027-01-01-01",
            "+027-01-01",
            "9999-12-31",
        ] {
            assert_eq!(Timestamp::from_date(text), None, "{text}");
        }
    }

    #[test]
    fn prints_rfc3339_with_nanoseconds() {
        for (ns, want) in [
            (0, "1970-01-01T00:00:00.000000000Z"),
            (951_782_400_000_000_001, "2000-02-29T00:00:00.000000001Z"),
            (1_540_943_999_999_999_999, "2018-10-30T23:59:59.999999999Z"),
            (1_798_761_600_000_000_000, "2027-01-01T00:00:00.000000000Z"),
        ] {
            assert_eq!(Timestamp(ns).to_string(), want);
        }
    }
}
