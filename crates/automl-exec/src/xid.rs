//! Errors that a GPU's driver reports by number (XID), and which of them mean that the GPU cannot be trusted.
//!
//! Most numbers are faults of the program that used the GPU (13, 31, 43, 45) or news about repairs (63, 92, 94). The
//! ones here are, by the driver's own catalogue, faults of the device, and end only with its reset.

/// A critical error that a GPU has reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct GpuError {
    /// Index of the GPU.
    pub gpu: u32,
    /// The driver's number for it; absent where the driver does not know either.
    pub xid: Option<u64>,
}

/// Numbers after which a GPU is not used any more.
const FAULTS: [(u64, &str); 10] = [
    (48, "its memory has an error that cannot be corrected"),
    (62, "one of its internal processors has halted"),
    (64, "a faulty row of its memory could not be replaced"),
    (74, "its link to another GPU has failed"),
    (79, "it has fallen off the bus"),
    (95, "an error of its memory could not be contained"),
    (119, "its system processor does not answer"),
    (120, "its system processor has failed"),
    (140, "its memory has an error that was not recovered from"),
    (143, "it could not be initialised"),
];

impl GpuError {
    /// Returns why the GPU must not be used any more, if that follows.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        let (xid, meaning) = FAULTS.iter().find(|(xid, _)| self.xid == Some(*xid))?;
        Some(format!("{meaning} (XID {xid})"))
    }
}

impl std::fmt::Display for GpuError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.xid {
            Some(xid) => write!(f, "GPU {} reported error XID {xid}", self.gpu),
            None => write!(f, "GPU {} reported an unknown error", self.gpu),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_of_programs_are_not_the_gpus() {
        let fault = |xid| GpuError { gpu: 1, xid: Some(xid) }.fault();
        for xid in [13, 31, 43, 45, 63, 94] {
            assert_eq!(fault(xid), None, "{xid}");
        }
        assert_eq!(fault(79).as_deref(), Some("it has fallen off the bus (XID 79)"));
        let unknown = GpuError { gpu: 1, xid: None };
        assert_eq!(
            (unknown.fault(), unknown.to_string().as_str()),
            (None, "GPU 1 reported an unknown error")
        );
    }
}
