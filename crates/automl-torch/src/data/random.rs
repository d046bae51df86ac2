//! Random draws as a function of what they are for.
//!
//! A stream is opened from a list of numbers such as (seed, epoch, object). No generator lives
//! longer than one sample, so batches can be prepared in any order, on any number of threads, and a
//! resumed run sees the same crops. SplitMix64: Steele, Lea & Flood, OOPSLA 2014, figure 16.

const GOLDEN_GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

/// A stream of random numbers.
#[derive(Debug, Clone)]
pub(crate) struct Stream {
    state: u64,
}

impl Stream {
    /// Opens the stream that belongs to `purpose`.
    pub(crate) fn new(purpose: &[u64]) -> Self {
        let state = purpose.iter().fold(0, |state, part| mix(state ^ mix(part.wrapping_add(GOLDEN_GAMMA))));
        Self { state }
    }

    /// Next 64 random bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN_GAMMA);
        mix(self.state)
    }

    /// Uniform in [0, 1).
    pub(crate) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in [low, high).
    pub(crate) fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// True with the given probability.
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// The numbers 0..n in random order (Fisher-Yates).
    pub(crate) fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for last in (1..n).rev() {
            let other = (self.unit() * (last + 1) as f64) as usize;
            order.swap(last, other);
        }
        order
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_repeat_and_differ_by_purpose() {
        let draw = |purpose: &[u64]| Stream::new(purpose).bits();
        assert_eq!(draw(&[1, 2, 3]), draw(&[1, 2, 3]));
        assert_ne!(draw(&[1, 2, 3]), draw(&[1, 3, 2]));
        assert_ne!(draw(&[0, 0]), draw(&[0, 1]));
    }

    #[test]
    fn permutation_holds_every_number_once() {
        let mut order = Stream::new(&[7]).permutation(50);
        assert_ne!(order, (0..50).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..50).collect::<Vec<_>>());
    }

    #[test]
    fn uniform_stays_in_range_and_centres() {
        let mut stream = Stream::new(&[3]);
        let draws: Vec<f64> = (0..2000).map(|_| stream.uniform(2.0, 4.0)).collect();
        assert!(draws.iter().all(|x| (2.0..4.0).contains(x)));
        assert!((draws.iter().sum::<f64>() / 2000.0 - 3.0).abs() < 0.05);
    }
}
