//! Ranks in order, each of which knows how many are better.
//!
//! A sorted list in pieces of bounded length. A tree would order as fast, but to tell a place in it means to walk to
//! it: thousands of steps for every free slot of a long search.

use crate::index::Rank;

/// Longest piece; twice as long ones are halved. Short enough to be moved along, long enough that there are few.
const PIECE: usize = 256;

/// An ordered set of ranks, the best first.
#[derive(Clone, Debug, Default)]
pub struct Ranking {
    /// None of them empty.
    pieces: Vec<Vec<Rank>>,
    len: usize,
}

impl PartialEq for Ranking {
    /// Where the pieces begin makes no difference.
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }
}

impl Ranking {
    /// Returns the number of ranks.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Tells whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns all ranks, the best first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Rank> {
        self.pieces.iter().flatten()
    }

    /// Returns how many are better than a rank, whether it is among them or not.
    #[must_use]
    pub fn place(&self, rank: &Rank) -> usize {
        let piece = self.piece(rank);
        let before: usize = self.pieces[..piece].iter().map(Vec::len).sum();
        before + self.pieces.get(piece).map_or(0, |piece| piece.partition_point(|other| other < rank))
    }

    pub(crate) fn insert(&mut self, rank: Rank) {
        let last = self.pieces.len().saturating_sub(1);
        let at = self.piece(&rank).min(last);
        let Some(piece) = self.pieces.get_mut(at) else {
            self.pieces.push(vec![rank]);
            self.len = 1;
            return;
        };
        let Err(place) = piece.binary_search(&rank) else { return };
        piece.insert(place, rank);
        self.len += 1;
        if piece.len() >= 2 * PIECE {
            let rest = piece.split_off(PIECE);
            self.pieces.insert(at + 1, rest);
        }
    }

    pub(crate) fn remove(&mut self, rank: &Rank) {
        let at = self.piece(rank);
        let Some(piece) = self.pieces.get_mut(at) else { return };
        let Ok(place) = piece.binary_search(rank) else { return };
        piece.remove(place);
        self.len -= 1;
        if piece.is_empty() {
            self.pieces.remove(at);
        }
    }

    /// The piece that a rank is in or would be; their number where it is worse than all.
    fn piece(&self, rank: &Rank) -> usize {
        self.pieces.partition_point(|piece| piece.last().is_some_and(|worst| worst < rank))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::front::Excess;
    use crate::ids::TrialId;
    use crate::objective::{Direction, Objective};
    use crate::rng;
    use std::collections::BTreeSet;

    #[test]
    fn places_are_those_of_a_plain_ordered_set() {
        let objective = Objective { metric: "loss".into(), direction: Direction::Minimize };
        let (mut ranking, mut plain) = (Ranking::default(), BTreeSet::new());
        for step in 0..6_000 {
            let draw = |n| rng::uniform(&[7, step, n]);
            let loss = objective.loss((draw(1) * 500.0).floor()).unwrap();
            let rank = Rank { excess: Excess::NONE, loss, trial: TrialId((draw(2) * 9.0) as u64) };
            // First it grows, then it shrinks.
            if draw(3) < if step < 3_000 { 0.8 } else { 0.2 } {
                ranking.insert(rank);
                plain.insert(rank);
            } else {
                ranking.remove(&rank);
                plain.remove(&rank);
            }
            assert_eq!((ranking.len(), ranking.is_empty()), (plain.len(), plain.is_empty()));
            assert_eq!(ranking.place(&rank), plain.range(..rank).count(), "step {step}");
            if step % 500 == 0 {
                assert!(ranking.iter().eq(&plain) && ranking.iter().rev().eq(plain.iter().rev()));
            }
        }
        assert!(ranking.pieces.len() > 1, "one piece proves little");
        let rebuilt = plain.into_iter().fold(Ranking::default(), |mut ranking, rank| {
            ranking.insert(rank);
            ranking
        });
        assert!(rebuilt == ranking);
    }
}
