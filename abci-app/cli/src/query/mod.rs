//! `geod query`: a table of the modules' queries, and a few commands of their own.

mod chain;
mod table;
mod verify;

use clap::{Arg, ArgAction, ArgMatches, Args as _, FromArgMatches, Subcommand};
use geodesic_client::account_key::AccountKey;
use geodesic_client::address::Kind;
use serde_json::{Map, Value, json};

use crate::context::Context;
use crate::{net, output};
use table::{GROUPS, Group, Is, Row};

const EXAMPLES: &str = "\
Examples:
  geod query bank balances geo1...                     coins of an account
  geod query bank balances alice                       the same by the name of a key
  geod query epochs current                            where the chain is in its epoch
  geod query pow commitments 5 --limit 10              who committed to what in epoch 5
  geod query pow verify --epoch 5 --participant geo1... --node 0 --nonce 17
  geod query tx 9A2B...                                a transaction
  geod query raw /cosmos.bank.v1beta1.Query/Balance '{\"address\":\"geo1...\",\"denom\":\"ugeo\"}'";

/// Ask the chain
#[derive(Debug)]
pub enum Command {
    /// A query of the table.
    Table(Box<Call>),
    /// Recompute a committed nonce.
    Verify(Box<verify::VerifyArgs>),
    /// A query of blocks or transactions, or any other.
    Chain(Box<chain::Command>),
}

/// A query of the table as the user gave it.
#[derive(Debug)]
pub struct Call {
    row: &'static Row,
    /// What was given for each of the row's arguments.
    values: Vec<(&'static table::Field, Vec<String>)>,
    pagination: Option<Value>,
    height: Option<u64>,
}

impl Command {
    /// Runs the query and prints its answer.
    ///
    /// # Errors
    /// Arguments that do not fit, a node that cannot be reached, a refusal.
    pub async fn run(&self, ctx: &Context) -> anyhow::Result<()> {
        match self {
            Self::Table(call) => {
                let answer = net::query(ctx, call.row.path, &call.request(ctx)?, call.height).await?;
                Ok(output::print(ctx.output, &answer)?)
            }
            Self::Verify(args) => args.run(ctx).await,
            Self::Chain(command) => command.run(ctx).await,
        }
    }
}

impl Call {
    fn request(&self, ctx: &Context) -> anyhow::Result<Value> {
        let mut request = Map::new();
        for (field, texts) in &self.values {
            let mut values = Vec::new();
            for text in texts {
                values.push(match field.is {
                    Is::Address(kind) => net::resolve(ctx, kind, text)?.into(),
                    Is::ConsensusKey if text.trim_start().starts_with('{') => {
                        let address = AccountKey::from_json(text)?.address();
                        Kind::Consensus.encode(&ctx.prefix, &address)?.into()
                    }
                    Is::ConsensusKey => net::resolve(ctx, Kind::Consensus, text)?.into(),
                    Is::Number | Is::Text | Is::Texts => Value::from(text.as_str()),
                });
            }
            match (field.is, values.pop()) {
                (Is::Texts, Some(last)) => {
                    values.push(last);
                    request.insert(field.name.to_owned(), values.into());
                }
                (_, Some(value)) => {
                    request.insert(field.name.to_owned(), value);
                }
                (_, None) => {}
            }
        }
        if let Some(pagination) = &self.pagination {
            request.insert("pagination".to_owned(), pagination.clone());
        }
        Ok(request.into())
    }
}

impl Subcommand for Command {
    fn augment_subcommands(cmd: clap::Command) -> clap::Command {
        let cmd = chain::Command::augment_subcommands(cmd).after_help(EXAMPLES).subcommand_required(true);
        GROUPS
            .iter()
            .fold(cmd.arg_required_else_help(true), |cmd, group| cmd.subcommand(group_command(group)))
    }

    fn augment_subcommands_for_update(cmd: clap::Command) -> clap::Command {
        Self::augment_subcommands(cmd)
    }

    fn has_subcommand(name: &str) -> bool {
        chain::Command::has_subcommand(name) || GROUPS.iter().any(|group| group.name == name)
    }
}

impl FromArgMatches for Command {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let Some((name, inner)) = matches.subcommand() else {
            return Err(clap::Error::raw(clap::error::ErrorKind::MissingSubcommand, "a query is needed"));
        };
        let Some(group) = GROUPS.iter().find(|group| group.name == name) else {
            return Ok(Self::Chain(Box::new(chain::Command::from_arg_matches(matches)?)));
        };
        let Some((name, inner)) = inner.subcommand() else {
            return Err(clap::Error::raw(clap::error::ErrorKind::MissingSubcommand, "a query is needed"));
        };
        if let (verify::GROUP, verify::NAME) = (group.name, name) {
            return Ok(Self::Verify(Box::new(verify::VerifyArgs::from_arg_matches(inner)?)));
        }
        match group.rows().find(|row| row.name == name) {
            Some(row) => Ok(Self::Table(Box::new(call(row, inner)?))),
            None => Err(clap::Error::raw(clap::error::ErrorKind::InvalidSubcommand, "no such query")),
        }
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn group_command(group: &'static Group) -> clap::Command {
    let cmd = clap::Command::new(group.name)
        .about(group.about)
        .subcommand_required(true)
        .arg_required_else_help(true);
    let cmd = group.rows().fold(cmd, |cmd, row| cmd.subcommand(row_command(group, row)));
    if group.name == verify::GROUP {
        cmd.subcommand(verify::VerifyArgs::augment_args(clap::Command::new(verify::NAME)))
    } else {
        cmd
    }
}

fn row_command(group: &Group, row: &'static Row) -> clap::Command {
    let mut example = format!("Example:\n  geod query {} {}", group.name, row.name);
    let mut cmd = clap::Command::new(row.name).about(row.about).visible_aliases(row.aliases.iter().copied());
    for field in row.fields {
        let arg = Arg::new(field.name).help(field.help());
        cmd = cmd.arg(match field.flag {
            Some(flag) => arg.long(flag).value_name("VALUE"),
            None => {
                example.push_str(&format!(" {}", field.sample));
                let many = if field.is == Is::Texts { ArgAction::Append } else { ArgAction::Set };
                arg.required(field.required).action(many)
            }
        });
    }
    if is_paged(row) {
        cmd = cmd.args(page_args());
    }
    let height = Arg::new("at-height")
        .long("height")
        .value_name("H")
        .help("Height to answer for [default: the newest]");
    cmd.arg(height.value_parser(clap::value_parser!(u64))).after_help(example)
}

/// Whether the request has a field `pagination`.
fn is_paged(row: &Row) -> bool {
    net::method(row.path).is_ok_and(|method| method.input().get_field_by_name("pagination").is_some())
}

fn page_args() -> [Arg; 6] {
    let number =
        |name: &'static str| Arg::new(name).long(name).value_name("N").value_parser(clap::value_parser!(u64));
    let switch = |name: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue);
    [
        number("limit").alias("page-limit").help("Most entries [default: 100]"),
        number("page").help("Page to show, from 1").conflicts_with_all(["offset", "page-key"]),
        number("offset").alias("page-offset").help("Entries to skip").conflicts_with("page-key"),
        Arg::new("page-key").long("page-key").value_name("BASE64").help("next_key of the page before"),
        switch("count-total").alias("page-count-total").help("Count all entries"),
        switch("reverse").alias("page-reverse").help("Last entries first"),
    ]
}

fn call(row: &'static Row, matches: &ArgMatches) -> Result<Call, clap::Error> {
    let mut values = Vec::new();
    for field in row.fields {
        let given = matches.try_get_many::<String>(field.name).ok().flatten();
        let texts: Vec<String> = given.map(|texts| texts.cloned().collect()).unwrap_or_default();
        if let Some(text) = texts.iter().find(|text| field.is == Is::Number && text.parse::<u64>().is_err()) {
            let text = format!("{} {text:?} is no whole number\n", field.name);
            return Err(clap::Error::raw(clap::error::ErrorKind::ValueValidation, text));
        }
        values.push((field, texts));
    }
    let height = matches.get_one::<u64>("at-height").copied().filter(|height| *height > 0);
    let pagination = is_paged(row).then(|| pagination(matches));
    Ok(Call { row, values, pagination, height })
}

fn pagination(matches: &ArgMatches) -> Value {
    let number = |name: &str| matches.get_one::<u64>(name).copied();
    let limit = number("limit").unwrap_or(100);
    let before = number("page").map(|page| page.saturating_sub(1).saturating_mul(limit));
    json!({
        "key": matches.get_one::<String>("page-key"),
        "offset": number("offset").or(before).unwrap_or(0),
        "limit": limit,
        "count_total": matches.get_flag("count-total"),
        "reverse": matches.get_flag("reverse"),
    })
}

#[cfg(test)]
mod tests;
