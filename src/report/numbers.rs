//! Numbers for people.

/// With thousands separators: `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count and its noun: `1 flow`, `2 flows`.
pub(crate) fn counted(number: u64, one: &str, many: &str) -> String {
    format!(
        "{} {}",
        grouped(number),
        if number == 1 { one } else { many }
    )
}

/// Bytes in decimal units with three digits: `1.07 GB`.
pub(crate) fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["bytes", "kB", "MB", "GB", "TB", "PB", "EB"] {
        if value < 999.5 {
            return match (unit, value) {
                ("bytes", _) => counted(bytes, "byte", "bytes"),
                (_, v) if v < 9.995 => format!("{v:.2} {unit}"),
                (_, v) if v < 99.95 => format!("{v:.1} {unit}"),
                (_, v) => format!("{v:.0} {unit}"),
            };
        }
        value /= 1000.0;
    }
    format!("{value:.0} ZB")
}

/// A span of time in its two greatest units: `2 d 4 h`, `3 min 12 s`, `1.25 s`.
pub(crate) fn span(ns: u64) -> String {
    let s = ns / 1_000_000_000;
    match s {
        0 if ns < 1_000_000 => "under 1 ms".into(),
        0 => format!("{} ms", ns / 1_000_000),
        1..60 => format!("{s}.{} s", ns / 100_000_000 % 10),
        60..3600 => format!("{} min {} s", s / 60, s % 60),
        3600..86_400 => format!("{} h {} min", s / 3600, s / 60 % 60),
        _ => format!("{} d {} h", grouped(s / 86_400), s / 3600 % 24),
    }
}

/// A share in per cent; a share that is not nothing is never shown as 0 %.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return String::new();
    }
    let share = part as f64 * 100.0 / whole as f64;
    match share {
        0.0 => "0 %".into(),
        s if s < 0.1 => "<0.1 %".into(),
        s if s < 9.95 => format!("{s:.1} %"),
        s if s > 99.0 && part < whole => format!("{:.1} %", s.min(99.9)),
        s => format!("{s:.0} %"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn for_people() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_000), "1,000");
        assert_eq!(grouped(u64::MAX), "18,446,744,073,709,551,615");
        assert_eq!(counted(1, "flow", "flows"), "1 flow");
        assert_eq!(counted(1200, "flow", "flows"), "1,200 flows");
        for (bytes, want) in [
            (0, "0 bytes"),
            (1, "1 byte"),
            (999, "999 bytes"),
            (1000, "1.00 kB"),
            (999_999, "1.00 MB"),
            (15_300_000, "15.3 MB"),
            (u64::MAX, "18.4 EB"),
        ] {
            assert_eq!(size(bytes), want);
        }
        for (ns, want) in [
            (5_000, "under 1 ms"),
            (250_000_000, "250 ms"),
            (1_250_000_000, "1.2 s"),
            (72_000_000_000, "1 min 12 s"),
            (7_260_000_000_000, "2 h 1 min"),
            (187_200_000_000_000, "2 d 4 h"),
        ] {
            assert_eq!(span(ns), want);
        }
        for (part, whole, want) in [
            (0, 0, ""),
            (0, 5, "0 %"),
            (1, 100_000, "<0.1 %"),
            (1, 12, "8.3 %"),
            (1, 2, "50 %"),
            (99_999, 100_000, "99.9 %"),
            (5, 5, "100 %"),
        ] {
            assert_eq!(percent(part, whole), want);
        }
    }
}
