//! A thread whose end can be waited for with a limit.

use anyhow::Context as _;
use anyhow::Result;
use crossbeam_channel::Receiver;
use crossbeam_channel::bounded;

/// Starts a thread. What it returns comes through the channel; if it dies, nothing does.
pub(super) fn spawn<T: Send + 'static>(
    name: &str,
    what_it_does: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<Receiver<T>> {
    let (tell, told) = bounded(1);
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            // Nobody may be interested any more.
            let _ = tell.send(run());
        })
        .with_context(|| format!("cannot start the thread that {what_it_does}"))?;
    Ok(told)
}
