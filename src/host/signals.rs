//! Which hooks this kernel gives, and why not where it does not.

/// One source of evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signal {
    /// The kernel's name of the hook, as `inet_sk_error_report`.
    pub name: &'static str,
    /// What it lets kerno see, in a few plain words.
    pub shows: &'static str,
    /// `None` if it is active; else why it is not, in one plain sentence that
    /// also says what is therefore not visible.
    pub missing: Option<String>,
}
