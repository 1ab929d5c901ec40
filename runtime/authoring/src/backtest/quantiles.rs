//! Quantiles of many numbers in little memory: buckets whose width grows with the numbers in them,
//! each within 2 % of the next.

/// Buckets for each power of two, as a power of two.
const FINE_BITS: u32 = 6;
const FINE: usize = 1 << FINE_BITS;

/// Numbers counted by size.
#[derive(Clone, Debug, Default)]
pub struct Quantiles {
    buckets: Vec<u64>,
    count: u64,
}

impl Quantiles {
    /// Counts a number.
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

    /// This percentile, within 2 %; 0 without numbers.
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

/// Small numbers have a bucket each; larger ones share it with those that have the same first bits.
fn bucket(number: u64) -> usize {
    let shift = (u64::BITS - number.leading_zeros()).saturating_sub(FINE_BITS + 1);
    let offset = usize::try_from(number >> shift).unwrap_or(usize::MAX);
    offset.saturating_add(shift as usize * FINE)
}

/// The largest number in a bucket.
fn highest(bucket: usize) -> u64 {
    let shift = (bucket / FINE).saturating_sub(1);
    let offset = (bucket - shift * FINE) as u128;
    u64::try_from(((offset + 1) << shift) - 1).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: quantiles are within 2 %, from the smallest number to the largest. Method: a uniform
    /// distribution, and single numbers of every size.
    #[test]
    fn percentiles_are_within_two_percent() {
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
