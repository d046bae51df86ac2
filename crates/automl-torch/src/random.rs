//! Random draws as a function of what they are for.
//!
//! A stream is opened from the run's seed and a [`Purpose`]. No generator lives longer than one
//! sample or one order, so batches can be prepared in any order, on any number of threads, and a
//! resumed run sees the same crops. The generator is named, ChaCha with 8 rounds (Bernstein, ChaCha,
//! a variant of Salsa20, 2008), because `rand` keeps named ones the same on every platform and in
//! every release. Seed and purpose are its whole 256-bit key: nothing is hashed, so no two purposes
//! can meet in one stream.

use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;
use rand::{Rng, RngExt, SeedableRng};

/// What random numbers are drawn for. Epochs, objects and steps are counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Order of the objects in an epoch.
    Order { epoch: u64 },
    /// Margin, flip and colours of an object's crop in an epoch.
    Sample { epoch: u64, object: u64 },
    /// First weights of the network.
    Weights,
    /// Drop-path masks of an epoch's step.
    Step { epoch: u64, step: u64 },
    /// A seed for a run that was given none.
    FreshSeed { process: u64 },
}

impl Purpose {
    /// Kind and its numbers. A kind's number is never given to another, else runs would not repeat.
    fn key(self) -> [u64; 3] {
        match self {
            Self::Order { epoch } => [1, epoch, 0],
            Self::Sample { epoch, object } => [2, epoch, object],
            Self::Weights => [3, 0, 0],
            Self::Step { epoch, step } => [4, epoch, step],
            Self::FreshSeed { process } => [5, process, 0],
        }
    }
}

/// A stream of random numbers.
#[derive(Debug)]
pub(crate) struct Stream {
    generator: ChaCha8Rng,
}

impl Stream {
    /// Opens the stream that belongs to `purpose` in runs with `seed`.
    pub(crate) fn open(seed: u64, purpose: Purpose) -> Self {
        let [kind, first, second] = purpose.key();
        let mut key = [0; 32];
        for (bytes, number) in key.chunks_exact_mut(8).zip([seed, kind, first, second]) {
            bytes.copy_from_slice(&number.to_le_bytes());
        }
        Self { generator: ChaCha8Rng::from_seed(key) }
    }

    /// Next 64 random bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.generator.next_u64()
    }

    /// Uniform in [low, high].
    ///
    /// # Panics
    ///
    /// If `low` lies above `high` or one of them is not finite.
    pub(crate) fn uniform(&mut self, low: f64, high: f64) -> f64 {
        self.generator.random_range(low..=high)
    }

    /// Uniform among 0..n.
    ///
    /// # Panics
    ///
    /// If `n` is 0.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.generator.random_range(0..n as u64) as usize
    }

    /// True with the given probability.
    ///
    /// # Panics
    ///
    /// If `probability` lies outside [0, 1].
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.generator.random_bool(probability)
    }

    /// The numbers 0..n in random order.
    pub(crate) fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        order.shuffle(&mut self.generator);
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_repeat_and_differ_by_seed_kind_and_number() {
        let draw = |seed, purpose| Stream::open(seed, purpose).bits();
        let one = draw(1, Purpose::Sample { epoch: 2, object: 3 });
        assert_eq!(one, draw(1, Purpose::Sample { epoch: 2, object: 3 }));
        assert_ne!(one, draw(2, Purpose::Sample { epoch: 2, object: 3 }));
        assert_ne!(one, draw(1, Purpose::Sample { epoch: 3, object: 2 }));
        assert_ne!(one, draw(1, Purpose::Step { epoch: 2, step: 3 }));
        assert_ne!(draw(0, Purpose::Weights), draw(0, Purpose::Order { epoch: 0 }));
    }

    #[test]
    fn stream_is_chacha8_under_the_key() {
        // The first two words of the key stream, worked out with a second implementation.
        let mut stream = Stream::open(1234, Purpose::Sample { epoch: 5, object: 678 });
        assert_eq!([stream.bits(), stream.bits()], [0xb8eb_f55a_84d3_dd67, 0x480d_667c_1add_e5ea]);
    }

    #[test]
    fn permutation_holds_every_number_once() {
        let mut order = Stream::open(7, Purpose::Weights).permutation(50);
        assert_ne!(order, (0..50).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..50).collect::<Vec<_>>());
    }

    #[test]
    fn uniform_stays_in_range_and_centres() {
        let mut stream = Stream::open(3, Purpose::Weights);
        let draws: Vec<f64> = (0..2000).map(|_| stream.uniform(2.0, 4.0)).collect();
        assert!(draws.iter().all(|x| (2.0..=4.0).contains(x)));
        assert!((draws.iter().sum::<f64>() / 2000.0 - 3.0).abs() < 0.05);
        assert_eq!(stream.uniform(0.6, 0.6), 0.6);
    }
}
