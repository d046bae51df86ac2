//! Tries again what may pass: networks and stores fail for a moment.

use std::future::Future;
use std::time::Duration;

/// Tries in all.
const TRIES: u32 = 4;
/// Pause after the first failure; each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(250);

/// Runs an operation until it succeeds, fails in a way that lasts, or has been tried often enough.
pub(crate) async fn retrying<T, E, F: Future<Output = Result<T, E>>>(
    lasts: impl Fn(&E) -> bool,
    mut operation: impl FnMut() -> F,
) -> Result<T, E> {
    let mut tried = 1;
    loop {
        match operation().await {
            Err(error) if tried < TRIES && !lasts(&error) => {
                tokio::time::sleep(PAUSE * 2_u32.pow(tried - 1)).await;
                tried += 1;
            }
            result => return result,
        }
    }
}

/// Tells whether a store's refusal will be the same next time.
pub(crate) fn store_refuses(error: &object_store::Error) -> bool {
    use object_store::Error;
    matches!(
        error,
        Error::NotFound { .. }
            | Error::InvalidPath { .. }
            | Error::NotSupported { .. }
            | Error::PermissionDenied { .. }
            | Error::Unauthenticated { .. }
            | Error::UnknownConfigurationKey { .. }
            | Error::NotImplemented { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    fn tries(lasting: bool, succeed_at: u32) -> (Result<u32, &'static str>, u32) {
        let count = Cell::new(0);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let result = runtime.unwrap().block_on(retrying(
            |_: &&str| lasting,
            || {
                count.set(count.get() + 1);
                let n = count.get();
                async move { if n >= succeed_at { Ok(n) } else { Err("no") } }
            },
        ));
        (result, count.get())
    }

    #[test]
    fn passing_failures_are_tried_again() {
        assert_eq!(tries(false, 3), (Ok(3), 3));
        assert_eq!(tries(false, 99), (Err("no"), TRIES));
        assert_eq!(tries(true, 2), (Err("no"), 1));
    }
}
