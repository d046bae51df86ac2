//! The order of samples in an epoch, and the threads that prepare batches ahead of a GPU.
//!
//! Knows no data set: a sample is an index, and a batch is whatever `make` returns. A sample is a
//! function of (seed, epoch, index) and of the files, whatever thread makes it and whenever; so the
//! number of workers changes the speed and never a result.

use std::ops::ControlFlow;
use std::sync::mpsc::sync_channel;

use crate::random::{Purpose, Stream};

/// Batches a worker may be ahead.
const PREFETCH: usize = 2;

/// Sample indices of an epoch in random order, cut into batches; the last may be smaller.
pub(crate) fn shuffled_batches(samples: usize, batch_size: usize, seed: u64, epoch: u64) -> Vec<Vec<usize>> {
    let order = Stream::open(seed, Purpose::Order { epoch }).permutation(samples);
    order.chunks(batch_size).map(<[usize]>::to_vec).collect()
}

/// Sample indices in order, cut into batches.
pub(crate) fn ordered_batches(samples: usize, batch_size: usize) -> Vec<Vec<usize>> {
    (0..samples).collect::<Vec<_>>().chunks(batch_size).map(<[usize]>::to_vec).collect()
}

/// Makes the batches in order and hands each to `consume`, until it breaks off.
///
/// With `workers` above zero that many threads prepare batches ahead.
pub(crate) fn for_each_batch<B: Send, D: Send, E: From<D>>(
    batches: &[Vec<usize>],
    workers: usize,
    make: impl Fn(&[usize]) -> Result<B, D> + Sync,
    mut consume: impl FnMut(B) -> Result<ControlFlow<()>, E>,
) -> Result<(), E> {
    if workers == 0 {
        for samples in batches {
            if consume(make(samples)?)?.is_break() {
                break;
            }
        }
        return Ok(());
    }
    std::thread::scope(|scope| {
        let make = &make;
        let receivers: Vec<_> = (0..workers)
            .map(|worker| {
                let (sender, receiver) = sync_channel(PREFETCH);
                scope.spawn(move || {
                    // A failed send means that the consumer has stopped.
                    let mut own = batches.iter().skip(worker).step_by(workers);
                    own.all(|samples| sender.send(make(samples)).is_ok())
                });
                receiver
            })
            .collect();
        for at in 0..batches.len() {
            let batch = receivers[at % workers].recv().expect("a worker sends each of its batches");
            if consume(batch?)?.is_break() {
                break;
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples_seen(workers: usize, stop_after: usize) -> Vec<usize> {
        let make = |samples: &[usize]| Ok::<_, String>(samples.to_vec());
        let mut seen = Vec::new();
        for_each_batch(&ordered_batches(5, 2), workers, make, |batch| {
            seen.extend(batch);
            let stop = seen.len() >= stop_after;
            Ok::<_, String>(if stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })
        .unwrap();
        seen
    }

    #[test]
    fn workers_keep_the_order_and_stop_early() {
        assert_eq!(samples_seen(0, 99), [0, 1, 2, 3, 4]);
        assert_eq!(samples_seen(3, 99), [0, 1, 2, 3, 4]);
        assert_eq!(samples_seen(2, 2), [0, 1]);
    }

    #[test]
    fn failed_batches_end_the_loop_with_their_error() {
        let make = |samples: &[usize]| if samples == [2, 3] { Err("two".to_owned()) } else { Ok(()) };
        for workers in [0, 2] {
            let outcome: Result<(), String> =
                for_each_batch(&ordered_batches(6, 2), workers, make, |()| Ok(ControlFlow::Continue(())));
            assert_eq!(outcome, Err("two".to_owned()));
        }
    }

    #[test]
    fn every_sample_comes_once_an_epoch() {
        let batches = shuffled_batches(10, 4, 1, 0);
        assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [4, 4, 2]);
        assert_ne!(batches, shuffled_batches(10, 4, 1, 1));
        let mut all: Vec<_> = batches.concat();
        all.sort_unstable();
        assert_eq!(all, (0..10).collect::<Vec<_>>());
    }
}
