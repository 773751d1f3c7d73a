//! Numbers in the names of counters, as people know them.

use kerno_counters::Figures;
use kerno_counters::figure::add_all;

use crate::attempt::Reason;
use crate::host::DropNames;

/// What stands before the number of an error.
const ERRORS: &str = ".errors.";
/// What stands before the number of a reason.
const DROPS: &str = "drops.";

/// `connect.errors.111` as `connect.errors.ECONNREFUSED`, and `drops.12` as the running
/// kernel names that reason. Any other name stays, and so does a number without a name.
pub(super) fn named(figures: &Figures, drops: &mut DropNames) -> Figures {
    let mut named = Figures::new();
    for (counter, figure) in figures {
        let one = Figures::from([(name(counter, drops), figure.clone())]);
        add_all(&mut named, &one);
    }
    named
}

fn name(counter: &str, drops: &mut DropNames) -> String {
    if let Some((call, number)) = counter.split_once(ERRORS)
        && let Ok(number) = number.parse()
    {
        return format!("{call}{ERRORS}{}", Reason::Errno(number)).replace(' ', "_");
    }
    if let Some(number) = counter.strip_prefix(DROPS)
        && let Ok(number) = number.parse()
        && let Some(reason) = drops.reason(number, None)
    {
        return format!("{DROPS}{reason}");
    }
    counter.to_owned()
}

#[cfg(test)]
mod tests {
    use kerno_counters::Figure;

    use super::*;

    #[test]
    fn errors_and_reasons_have_names_and_nothing_else_is_touched() {
        let mut drops = DropNames::of(&[(12, "NETFILTER_DROP")], &[]);
        for (counter, wanted) in [
            ("connect.errors.111", "connect.errors.ECONNREFUSED"),
            ("recvfrom.errors.11", "recvfrom.errors.EAGAIN"),
            ("connect.errors.4000", "connect.errors.errno_4000"),
            ("connect.errors.x", "connect.errors.x"),
            ("connect.errors.-1", "connect.errors.errno_-1"),
            ("drops.12", "drops.NETFILTER_DROP"),
            ("drops.196609", "drops.196609"),
            ("drops.", "drops."),
            ("tcp_connects", "tcp_connects"),
        ] {
            assert_eq!(name(counter, &mut drops), wanted);
        }
    }

    #[test]
    fn two_numbers_of_one_name_are_summed() {
        let mut drops = DropNames::of(&[(12, "NO_SOCKET"), (13, "NO_SOCKET")], &[]);
        let two = [("drops.12", 3), ("drops.13", 4)];
        let two = two.map(|(counter, n)| (counter.to_owned(), Figure::Count(n)));
        let named = named(&Figures::from(two), &mut drops);
        let one = ("drops.NO_SOCKET".to_owned(), Figure::Count(7));
        assert_eq!(named, Figures::from([one]));
    }
}
