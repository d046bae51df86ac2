//! A store that does everything that the contract of [`Store`] allows: refuse for want of space, be cut
//! short by the end of the process before or after a batch is durable, and bring a refused batch up at the
//! next opening. The real store is held to the same contract by its own tests.

use super::crash::Crashes;
use super::plan::Rates;
use automl_store::{Store, StoreError, StoredRecord};
use std::cell::RefCell;
use std::io;
use std::rc::Rc;

/// How many writes in a row find the disk full, at most.
const FULL_MAX: u64 = 6;

/// What is on the disk, whatever becomes of engines.
pub(crate) struct Disk {
    crashes: Rc<Crashes>,
    full_rate: f64,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    payloads: Vec<Vec<u8>>,
    /// A refused batch that may turn up if the process ends now.
    limbo: Vec<Vec<u8>>,
    full_for: u64,
    refusals: u64,
}

/// The disk as one engine has it open.
pub(crate) struct SimulatedStore(Rc<Disk>);

impl Disk {
    pub(crate) fn new(crashes: Rc<Crashes>, rates: &Rates) -> Rc<Self> {
        Rc::new(Disk { crashes, full_rate: rates.full_disk, state: RefCell::default() })
    }

    /// Opens the disk after the last process has ended.
    pub(crate) fn open(self: &Rc<Self>) -> SimulatedStore {
        let mut state = self.state.borrow_mut();
        let limbo = std::mem::take(&mut state.limbo);
        if self.crashes.chance.happens(0.5) {
            state.payloads.extend(limbo);
        }
        drop(state);
        SimulatedStore(Rc::clone(self))
    }

    /// Returns what is durable.
    pub(crate) fn records(&self) -> Vec<StoredRecord> {
        let state = self.state.borrow();
        let records = state.payloads.iter().zip(1..);
        records.map(|(payload, seq)| StoredRecord { seq, payload: payload.clone() }).collect()
    }

    /// Tells whether there is no space, which lasts for a while.
    pub(crate) fn refuses(&self) -> bool {
        let mut state = self.state.borrow_mut();
        if state.full_for == 0 && self.crashes.chance.happens(self.full_rate) {
            state.full_for = 1 + self.crashes.chance.below(FULL_MAX);
        }
        let full = state.full_for > 0;
        state.full_for -= u64::from(full);
        state.refusals += u64::from(full);
        full
    }

    /// Returns how often something was refused.
    pub(crate) fn refusals(&self) -> u64 {
        self.state.borrow().refusals
    }
}

impl Store for SimulatedStore {
    fn append(&mut self, payloads: &[Vec<u8>]) -> Result<u64, StoreError> {
        let Disk { crashes, state, .. } = &*self.0;
        crashes.may_strike();
        let full = self.0.refuses();
        let mut disk = state.borrow_mut();
        disk.limbo.clear();
        if full {
            disk.limbo = payloads.to_vec();
            let source = io::Error::from(io::ErrorKind::StorageFull);
            return Err(StoreError::Io { action: "append to", path: "events.jsonl".into(), source });
        }
        disk.payloads.extend_from_slice(payloads);
        let last = disk.payloads.len() as u64;
        drop(disk);
        crashes.may_strike();
        Ok(last)
    }

    fn visit(&self, first: u64, visit: &mut dyn FnMut(u64, &[u8])) -> Result<(), StoreError> {
        let state = self.0.state.borrow();
        let records = state.payloads.iter().zip(1..);
        records.skip_while(|(_, seq)| *seq < first).for_each(|(payload, seq)| visit(seq, payload));
        Ok(())
    }

    fn last_seq(&self) -> u64 {
        self.0.state.borrow().payloads.len() as u64
    }
}
