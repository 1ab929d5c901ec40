//! Quantiles of many numbers in little memory: buckets that grow with what they count, each within 2 % of the next.

/// Buckets to a power of two.
const FINE_BITS: u32 = 6;
const FINE: usize = 1 << FINE_BITS;

/// Counts of numbers by their size.
#[derive(Clone, Debug, Default)]
pub struct Quantiles {
    buckets: Vec<u64>,
    count: u64,
}

impl Quantiles {
    /// One more.
    pub fn add(&mut self, number: u64) {
        let bucket = bucket(number);
        if self.buckets.len() <= bucket {
            self.buckets.resize(bucket + 1, 0);
        }
        if let Some(count) = self.buckets.get_mut(bucket) {
            *count += 1;
        }
        self.count += 1;
    }

    /// A number that so many in a hundred are not above, within 2 %; 0 without any.
    pub fn percentile(&self, percent: u64) -> u64 {
        let wanted = self.count.saturating_mul(percent).div_ceil(100).max(1);
        let mut seen = 0;
        let found = self.buckets.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        found.map_or(0, highest)
    }
}

/// Small numbers have a bucket each, larger ones share it with those that begin with the same bits.
fn bucket(number: u64) -> usize {
    let shift = (u64::BITS - number.leading_zeros()).saturating_sub(FINE_BITS + 1);
    let place = usize::try_from(number >> shift).unwrap_or(usize::MAX);
    place.saturating_add(shift as usize * FINE)
}

/// The largest number in a bucket.
fn highest(bucket: usize) -> u64 {
    let shift = (bucket / FINE).saturating_sub(1);
    let place = (bucket - shift * FINE) as u128;
    u64::try_from(((place + 1) << shift) - 1).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: quantiles are within 2 %, from the smallest number to the largest. Method: even numbers, and single ones of every size.
    #[test]
    fn within_two_percent() {
        let mut quantiles = Quantiles::default();
        assert_eq!(quantiles.percentile(50), 0);
        (1..=10_000).for_each(|number| quantiles.add(number));
        for (percent, exact) in [(1, 100), (50, 5000), (99, 9900), (100, 10_000)] {
            let found = quantiles.percentile(percent);
            assert!(found >= exact && found * 50 <= exact * 51, "{percent}: {found}");
        }
        for number in (0..64).map(|bits| 1_u64 << bits).chain([0, 63, 64, 127, 128, 129, u64::MAX])
        {
            let mut one = Quantiles::default();
            one.add(number);
            let found = one.percentile(50);
            assert!(found >= number && found - number <= number / 50, "{number}: {found}");
        }
    }
}
