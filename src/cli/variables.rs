//! What the command line does not say, the environment may.

use clap::Arg;
use clap::ArgAction;
use clap::builder::BoolishValueParser;

/// The log's level has this name already.
const LOG_LEVEL: &str = "KERNO_LOG";

/// Lets an option be set by a variable that is named after it: `--memory` by `KERNO_MEMORY`.
pub(super) fn of(option: Arg) -> Arg {
    let Some(long) = option.get_long() else {
        return option;
    };
    let mut name = format!("KERNO_{}", long.replace('-', "_").to_uppercase());
    if name == LOG_LEVEL {
        name.push_str("_FORMAT");
    }
    match option.get_action() {
        ArgAction::Help | ArgAction::HelpShort | ArgAction::HelpLong | ArgAction::Version => option,
        // 0, no and off are no, though the variable is there.
        ArgAction::SetTrue => option.env(name).value_parser(BoolishValueParser::new()),
        _ => option.env(name),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn each_option_of_the_agent_has_a_variable_of_its_own() {
        let mut cli = Cli::command();
        let agent = cli.find_subcommand_mut("agent").expect("the command");
        let named = agent.get_arguments().filter(|it| it.get_id() != "help");
        let mut names: Vec<_> = named
            .map(|it| {
                let name = it.get_env().unwrap_or_else(|| panic!("{}", it.get_id()));
                name.to_str().expect("UTF-8").to_owned()
            })
            .collect();
        for name in [
            "KERNO_MEMORY",
            "KERNO_SOCKET",
            "KERNO_PORT",
            "KERNO_ALL_HOOKS",
        ] {
            assert!(names.iter().any(|it| it == name), "{name}: {names:?}");
        }
        assert!(!names.iter().any(|it| it == LOG_LEVEL));
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
