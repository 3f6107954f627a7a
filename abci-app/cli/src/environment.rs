//! Flags from the environment, as with the SDK: `--gas-prices` is also `GEOD_GAS_PRICES`. A flag comes before its
//! variable, and the variable before a configuration file. Empty variables do not count.

use clap::builder::BoolishValueParser;
use clap::{Arg, ArgAction, Command};

/// What all names of variables begin with.
const PREFIX: &str = "GEOD_";

/// The variable of a flag or of a key of a configuration file, such as `GEOD_GRPC_ADDRESS` of `grpc.address`.
#[must_use]
pub fn variable(name: &str) -> String {
    let letter = |c: char| if c == '-' || c == '.' { '_' } else { c.to_ascii_uppercase() };
    PREFIX.chars().chain(name.chars().map(letter)).collect()
}

/// A command whose flags also come from those variables that `is_set` tells to be there.
#[must_use]
pub fn with_variables(command: Command, is_set: &dyn Fn(&str) -> bool) -> Command {
    // These are resolved together with client.toml, and some commands use their names for something else.
    let global = command.get_arguments().filter_map(|arg| arg.get_long().map(variable)).collect::<Vec<_>>();
    command.mut_subcommands(|sub| below(sub, &global, is_set))
}

fn below(command: Command, global: &[String], is_set: &dyn Fn(&str) -> bool) -> Command {
    command.mut_args(|arg| flag(arg, global, is_set)).mut_subcommands(|sub| below(sub, global, is_set))
}

fn flag(arg: Arg, global: &[String], is_set: &dyn Fn(&str) -> bool) -> Arg {
    let Some(name) = arg.get_long().map(variable) else { return arg };
    if arg.get_env().is_some() || global.contains(&name) || !is_set(&name) {
        return arg;
    }
    let arg = match arg.get_action() {
        ArgAction::SetTrue => arg.value_parser(BoolishValueParser::new()),
        ArgAction::Help | ArgAction::HelpShort | ArgAction::HelpLong | ArgAction::Version => return arg,
        _ => arg,
    };
    // The command lives as long as the process, and few variables are set.
    arg.env(&*name.leak()).hide_env(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_variables() {
        for (name, want) in
            [("gas-prices", "GEOD_GAS_PRICES"), ("grpc.address", "GEOD_GRPC_ADDRESS"), ("yes", "GEOD_YES")]
        {
            assert_eq!(variable(name), want);
        }
    }

    #[test]
    fn flags_get_the_variables_that_are_set_and_global_ones_none() {
        let sub = Command::new("send")
            .arg(Arg::new("node").long("node"))
            .arg(Arg::new("fees").long("fees"))
            .arg(Arg::new("note").long("note"))
            .arg(Arg::new("to"));
        let top = Command::new("geod").arg(Arg::new("node").long("node").global(true)).subcommand(sub);
        let top = with_variables(top, &|name| name != "GEOD_NOTE");
        let sub = top.get_subcommands().next().unwrap();
        let with: Vec<_> =
            sub.get_arguments().filter(|arg| arg.get_env().is_some()).map(Arg::get_id).collect();
        assert_eq!(with, ["fees"]);
    }
}
