//! The hours of the capture in which something was seen.

use smallvec::SmallVec;

use crate::time::Timestamp;

/// A set of whole hours since the epoch, as ranges that neither touch nor overlap, in order. A device seen all month
/// is one range, and the union of sets does not depend on their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hours(SmallVec<[(u64, u64); 1]>);

impl Hours {
    /// Adds all hours from that of `first` to that of `last`, unless that would need more than `max_ranges` ranges.
    pub fn insert(&mut self, first: Timestamp, last: Timestamp, max_ranges: usize) {
        let (from, to) = (hour(first), hour(last).max(hour(first)));
        // Nearly always the hour is that of the flow before.
        if self.0.last().is_some_and(|r| r.0 <= from && to <= r.1) {
            return;
        }
        let touches = |r: &(u64, u64)| r.0 <= to.saturating_add(1) && from <= r.1.saturating_add(1);
        if self.0.len() >= max_ranges && !self.0.iter().any(touches) {
            return;
        }
        self.0.push((from, to));
        self.tidy();
    }

    /// Adds all hours of `other`.
    pub fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
        self.tidy();
    }

    /// The beginnings of the hours, in order.
    pub fn iter(&self) -> impl Iterator<Item = Timestamp> + '_ {
        self.0
            .iter()
            .flat_map(|(from, to)| *from..=*to)
            .map(|hour| Timestamp(hour.saturating_mul(HOUR_NS)))
    }

    /// How many hours.
    pub fn len(&self) -> u64 {
        self.0.iter().map(|(from, to)| to - from + 1).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn tidy(&mut self) {
        self.0.sort_unstable();
        self.0.dedup_by(|next, before| {
            let joined = next.0 <= before.1.saturating_add(1);
            if joined {
                before.1 = before.1.max(next.1);
            }
            joined
        });
    }
}

const HOUR_NS: u64 = 3600 * 1_000_000_000;

const fn hour(time: Timestamp) -> u64 {
    time.0 / HOUR_NS
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn set(ranges: &[(u8, u8)]) -> (Hours, BTreeSet<u64>) {
        let mut hours = Hours::default();
        let mut model = BTreeSet::new();
        for (from, long) in ranges {
            let (from, to) = (u64::from(*from), u64::from(*from) + u64::from(*long % 4));
            hours.insert(
                Timestamp(from * HOUR_NS),
                Timestamp(to * HOUR_NS + 5),
                usize::MAX,
            );
            model.extend(from..=to);
        }
        (hours, model)
    }

    proptest! {
        #[test]
        fn is_the_set_of_hours(a: Vec<(u8, u8)>, b: Vec<(u8, u8)>) {
            let ((mut hours, mut model), (more, more_model)) = (set(&a), set(&b));
            hours.merge(more);
            model.extend(more_model);
            let got: Vec<u64> = hours.iter().map(|t| t.0 / HOUR_NS).collect();
            prop_assert_eq!(hours.len(), model.len() as u64);
            prop_assert_eq!(got, model.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn times_that_lie_are_one_range() {
        let mut hours = Hours::default();
        hours.insert(Timestamp(u64::MAX), Timestamp(0), 2);
        hours.insert(Timestamp(0), Timestamp(u64::MAX), 2);
        assert_eq!(hours.len(), u64::MAX / HOUR_NS + 1);
    }
}
