//! Which frames of a clip the network sees.
//!
//! Pure functions of the clip's length. *Interval*: the clip is cut into as many equal segments as
//! frames are wanted, and each gives one frame (Wang et al., Temporal Segment Networks, ECCV 2016).
//! *Consecutive*: frames at a fixed distance from each other. Where two streams want different
//! numbers of frames, the longer list is chosen first and the shorter one out of it, so that both see
//! the same moment.

use crate::random::Stream;

/// How frames are spread over a clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strategy {
    /// One frame of each equal segment.
    Interval,
    /// Every `rate`-th frame from some start.
    Consecutive {
        /// Distance of neighbours, 1 or more.
        rate: usize,
    },
}

/// Frames that each stream sees; `None` where there is no such stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lengths {
    /// Frames of the RGB stream.
    pub(crate) rgb: Option<usize>,
    /// Frames of the flow stream.
    pub(crate) flow: Option<usize>,
}

/// Which parts of a clip are looked at outside training.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Windows {
    /// The middle.
    Centre,
    /// So many, evenly spread; with [`Strategy::Interval`], every offset within the segments.
    Even(usize),
    /// All that do not overlap; with [`Strategy::Interval`], every offset within the segments.
    All,
}

/// Chosen frames, counted from 0, in order of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Picks {
    /// Frames of the RGB stream; empty where there is none.
    pub(crate) rgb: Vec<usize>,
    /// Frames of the flow stream; empty where there is none.
    pub(crate) flow: Vec<usize>,
}

/// Strategy and lengths.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sampling {
    /// How frames are spread.
    pub(crate) strategy: Strategy,
    /// How many are wanted.
    pub(crate) lengths: Lengths,
}

impl Sampling {
    /// Frames that a clip must have.
    pub(crate) fn needed(&self) -> usize {
        match self.strategy {
            Strategy::Interval => self.longest(),
            Strategy::Consecutive { rate } => (self.longest() - 1) * rate + 1,
        }
    }

    fn longest(&self) -> usize {
        self.lengths.rgb.max(self.lengths.flow).expect("a network has a stream")
    }

    /// Frames for training; `frames` is at least [`Self::needed`].
    pub(crate) fn random(&self, frames: usize, stream: &mut Stream) -> Picks {
        let long = match self.strategy {
            Strategy::Interval => segment_picks(frames, self.longest(), |width| stream.below(width)),
            Strategy::Consecutive { rate } => self.run(stream.below(frames - self.needed() + 1), rate),
        };
        self.split(&long, |width| stream.below(width))
    }

    /// Frames of each window, for measuring; `frames` is at least [`Self::needed`].
    pub(crate) fn windows(&self, frames: usize, windows: Windows) -> Vec<Picks> {
        let lists: Vec<Vec<usize>> = match (self.strategy, windows) {
            (Strategy::Interval, Windows::Centre) => {
                vec![segment_picks(frames, self.longest(), |width| width / 2)]
            }
            (Strategy::Interval, Windows::Even(_) | Windows::All) => {
                let width = frames / self.longest();
                let offset = |at| (0..self.longest()).map(|segment| segment * width + at).collect();
                (0..width).map(offset).collect()
            }
            (Strategy::Consecutive { rate }, _) => {
                self.starts(frames, rate, windows).into_iter().map(|start| self.run(start, rate)).collect()
            }
        };
        lists.iter().map(|list| self.split(list, |width| width / 2)).collect()
    }

    fn starts(&self, frames: usize, rate: usize, windows: Windows) -> Vec<usize> {
        let room = frames - self.needed() + 1;
        match windows {
            Windows::Centre => vec![room / 2],
            Windows::Even(count) => (0..count).map(|at| (2 * at + 1) * room / (2 * count)).collect(),
            Windows::All => {
                let span = self.longest() * rate;
                let within = (0..frames / span).flat_map(|at| (0..rate).map(move |phase| at * span + phase));
                let starts: Vec<usize> = within.collect();
                if starts.is_empty() { vec![0] } else { starts }
            }
        }
    }

    fn run(&self, start: usize, rate: usize) -> Vec<usize> {
        (0..self.longest()).map(|at| start + at * rate).collect()
    }

    /// The frames of each stream out of the longest list.
    fn split(&self, long: &[usize], mut choose: impl FnMut(usize) -> usize) -> Picks {
        let mut pick = |wanted: Option<usize>| match wanted {
            None => Vec::new(),
            Some(wanted) if wanted == long.len() => long.to_vec(),
            Some(wanted) => match self.strategy {
                Strategy::Interval => {
                    segment_picks(long.len(), wanted, &mut choose).into_iter().map(|at| long[at]).collect()
                }
                Strategy::Consecutive { .. } => {
                    let start = (long.len() - wanted) / 2;
                    long[start..start + wanted].to_vec()
                }
            },
        };
        Picks { rgb: pick(self.lengths.rgb), flow: pick(self.lengths.flow) }
    }
}

/// One index of each of `segments` equal parts of 0..`length`; `choose` gives a place below a width.
fn segment_picks(length: usize, segments: usize, mut choose: impl FnMut(usize) -> usize) -> Vec<usize> {
    let edge = |at: usize| at * length / segments;
    (0..segments).map(|at| edge(at) + choose(edge(at + 1) - edge(at))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Purpose;

    fn sampling(strategy: Strategy, rgb: usize, flow: usize) -> Sampling {
        let some = |length| (length > 0).then_some(length);
        Sampling { strategy, lengths: Lengths { rgb: some(rgb), flow: some(flow) } }
    }

    fn rgb_windows(strategy: Strategy, length: usize, frames: usize, windows: Windows) -> Vec<Vec<usize>> {
        let picks = sampling(strategy, length, 0).windows(frames, windows);
        picks.into_iter().map(|picks| picks.rgb).collect()
    }

    const EVERY_SECOND: Strategy = Strategy::Consecutive { rate: 2 };

    #[test]
    fn middle_frames_of_segments_and_runs() {
        assert_eq!(rgb_windows(Strategy::Interval, 3, 9, Windows::Centre), [[1, 4, 7]]);
        assert_eq!(rgb_windows(Strategy::Interval, 3, 3, Windows::Centre), [[0, 1, 2]]);
        assert_eq!(rgb_windows(EVERY_SECOND, 3, 9, Windows::Centre), [[2, 4, 6]]);
        assert_eq!(rgb_windows(EVERY_SECOND, 3, 5, Windows::Centre), [[0, 2, 4]]);
    }

    #[test]
    fn several_windows_cover_the_clip() {
        assert_eq!(rgb_windows(Strategy::Interval, 3, 8, Windows::All), [[0, 2, 4], [1, 3, 5]]);
        assert_eq!(rgb_windows(EVERY_SECOND, 2, 9, Windows::Even(3)), [[1, 3], [3, 5], [5, 7]]);
        let all = rgb_windows(EVERY_SECOND, 2, 9, Windows::All);
        assert_eq!(all, [[0, 2], [1, 3], [4, 6], [5, 7]]);
        assert_eq!(rgb_windows(EVERY_SECOND, 3, 5, Windows::All), [[0, 2, 4]]);
    }

    #[test]
    fn random_frames_ascend_stay_inside_and_reach_the_ends() {
        for strategy in [Strategy::Interval, EVERY_SECOND] {
            let sampling = sampling(strategy, 4, 2);
            let (mut first, mut last) = (false, false);
            for seed in 0..400 {
                let mut stream = Stream::open(seed, Purpose::Weights);
                let Picks { rgb, flow } = sampling.random(10, &mut stream);
                assert!(rgb.len() == 4 && flow.len() == 2, "{rgb:?} {flow:?}");
                assert!(rgb.is_sorted() && rgb[3] < 10 && flow.iter().all(|frame| rgb.contains(frame)));
                first |= rgb[0] == 0;
                last |= rgb[3] == 9;
            }
            assert!(first && last, "{strategy:?}");
        }
    }

    #[test]
    fn shorter_stream_sees_the_middle_of_the_longer() {
        let picks = sampling(Strategy::Consecutive { rate: 1 }, 2, 6).windows(8, Windows::Centre);
        assert_eq!(picks, [Picks { rgb: vec![3, 4], flow: vec![1, 2, 3, 4, 5, 6] }]);
        assert_eq!(sampling(EVERY_SECOND, 2, 6).needed(), 11);
    }
}
