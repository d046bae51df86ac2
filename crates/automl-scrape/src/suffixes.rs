//! Finds which of many known texts another one ends with, in one walk from its end.
//!
//! A blank in a known text stands for a run of blanks. Knows nothing of what the texts mean.

/// Known texts with their numbers, as a tree of their bytes from the last to the first.
#[derive(Debug, Default)]
pub(crate) struct Suffixes {
    nodes: Vec<Node>,
}

#[derive(Debug, Default)]
struct Node {
    /// The byte in front, and the node it leads to.
    next: Vec<(u8, usize)>,
    /// Numbers of the texts that begin here.
    texts: Vec<usize>,
}

impl Suffixes {
    /// Adds a text that is not empty under a number.
    pub(crate) fn add(&mut self, text: &[u8], number: usize) {
        if self.nodes.is_empty() {
            self.nodes.push(Node::default());
        }
        let mut at = 0;
        for byte in text.iter().rev() {
            at = self.step(at, *byte).unwrap_or_else(|| {
                self.nodes.push(Node::default());
                let new = self.nodes.len() - 1;
                self.nodes[at].next.push((*byte, new));
                new
            });
        }
        self.nodes[at].texts.push(number);
    }

    /// Calls `found` with the start and the numbers of every known text that the folded `text` ends with,
    /// the shortest first.
    pub(crate) fn ends_of(
        &self,
        text: &[u8],
        fold: impl Fn(u8) -> u8,
        mut found: impl FnMut(usize, &[usize]),
    ) {
        let (mut node, mut start) = (0, text.len());
        while let Some(&byte) = text[..start].last() {
            let byte = fold(byte);
            let Some(next) = self.step(node, byte) else { return };
            (node, start) = (next, start - 1);
            while byte == b' ' && start > 0 && fold(text[start - 1]) == b' ' {
                start -= 1;
            }
            let texts = &self.nodes[node].texts;
            if !texts.is_empty() {
                found(start, texts);
            }
        }
    }

    fn step(&self, node: usize, byte: u8) -> Option<usize> {
        let next = &self.nodes.get(node)?.next;
        next.iter().find(|(known, _)| *known == byte).map(|(_, next)| *next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_end_is_found_the_shortest_first() {
        let mut known = Suffixes::default();
        for (number, text) in ["loss", "val loss", "s", "boss", "loss"].iter().enumerate() {
            known.add(text.as_bytes(), number);
        }
        let ends = |text: &str| {
            let mut found = Vec::new();
            known.ends_of(text.as_bytes(), |byte| byte, |start, texts| found.push((start, texts.to_vec())));
            found
        };
        assert_eq!(ends("val   loss"), [(9, vec![2]), (6, vec![0, 4]), (0, vec![1])]);
        assert_eq!(ends("xs"), [(1, vec![2])]);
        assert_eq!(ends("x"), []);
        assert_eq!(ends(""), []);
        Suffixes::default().ends_of(b"loss", |byte| byte, |_, _| panic!("nothing is known"));
    }
}
