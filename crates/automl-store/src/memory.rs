//! A log that lives and dies with the process: for tests, simulations and `store: false`.

use crate::Store;
use crate::error::StoreError;
use crate::format::check_payloads;

/// A [`Store`] without a disk.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    payloads: Vec<Vec<u8>>,
}

impl MemoryStore {
    /// Creates an empty log.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Store for MemoryStore {
    fn append(&mut self, payloads: &[Vec<u8>]) -> Result<u64, StoreError> {
        check_payloads(payloads)?;
        self.payloads.extend_from_slice(payloads);
        Ok(self.last_seq())
    }

    fn visit(&self, first: u64, visit: &mut dyn FnMut(u64, &[u8])) -> Result<(), StoreError> {
        let records = self.payloads.iter().zip(1..);
        records.skip_while(|(_, seq)| *seq < first).for_each(|(payload, seq)| visit(seq, payload));
        Ok(())
    }

    fn last_seq(&self) -> u64 {
        self.payloads.len() as u64
    }
}
