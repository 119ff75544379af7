//! The command line.

use std::ffi::{OsStr, OsString};
use std::time::Duration;

use lexopt::{Arg, Parser, ValueExt};

use crate::log::level;
use crate::path::Member;

/// What `--help` says.
pub const HELP: &str = "\
nanoqi: talk to a QiMessaging bus (libqi, NAOqi)

usage: nanoqi [options] COMMAND

  list                        the services that are ready
  info SERVICE                its methods, signals and properties, with signatures
  call SERVICE.METHOD ARG...  call a method, print its result
  post SERVICE.METHOD ARG...  call without waiting for an answer; a signal's name emits it
  watch SERVICE.SIGNAL...     print the events of signals, or the changes of properties
  get SERVICE.PROPERTY        print the value of a property
  set SERVICE.PROPERTY VALUE  set it
  trace SERVICE               print every call, result and event of a service
  top [SERVICE...]            print which methods are called, and what they cost, again and again
  log                         print what the LogManager is told
  log send CATEGORY TEXT      tell it something
  serve [URL]                 be a directory, at URL or where --qi-url says, until interrupted

Arguments are JSON; what is not JSON, or stands where only a string fits, is a string. {\"$type\": \"f\", \"$value\": 1} is a value of that signature.
METHOD may be a full name, as add::(ii), to choose among overloads.
In watch, call and top, * and ? stand for any text and any letter: nanoqi watch 'AL*.*'. Results and events then tell whose they are.
'SERVICE.METHOD(ARG, ...).MEMBER' is a member of the object that the method returns; its arguments are JSON.

options:
  --qi-url URL     where the directory is; else what NANOQI_URL says, or tcp://127.0.0.1:9559. tcps:// is TLS
  --user NAME      who to be; with serve: who is let in
  --token TEXT     what proves it; better in the environment, as NANOQI_TOKEN
  --ca FILE        with tcps: believe only these certificates (PEM) and those that they have signed; all without
  --cert FILE      serve, at a tcps:// URL: the certificate (PEM) to show, with those that lead to its authority
  --key FILE       its private key (PEM)
  --timeout SECS   for connecting and for each answer; 10. 0: for ever
  --memory MIB     what may wait in memory because of peers, over all connections; 256
  --count N        watch, trace, log: end after N events; top: after N tables
  --time           watch: print when each event came
  --interval SECS  top: between two tables; 1
  --level LEVEL    log: silent, fatal, error, warning, info, verbose or debug; what is printed, or sent: info
  --wait           wait for the service to appear, within --timeout
  --all            list private members, too
  --json           for programs: one JSON value a line
  --help           this
  --version        which version this is

exit codes: 0 done, 1 wrong usage, 2 not connected or not let in, 3 no such service or member, 4 the call or value was
refused, 5 not in time, 6 the connection was lost, 7 the output cannot be written
";

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    List,
    Info(String),
    Call(Member, Vec<String>),
    Post(Member, Vec<String>),
    Watch(Vec<Member>),
    Get(Member),
    Set(Member, String),
    Trace(String),
    Top(Vec<String>),
    Log,
    LogSend(String, String),
    Serve(Option<String>),
    Help,
    Version,
}

/// The whole line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arguments {
    pub command: Command,
    pub url: String,
    pub user: Option<String>,
    pub token: Option<String>,
    pub authorities: Option<String>,
    pub certificate: Option<String>,
    pub key: Option<String>,
    /// `None`: for ever.
    pub timeout: Option<Duration>,
    /// Bytes.
    pub memory: Option<usize>,
    pub count: Option<u64>,
    pub interval: Duration,
    /// Of a log.
    pub level: i32,
    pub time: bool,
    pub wait: bool,
    pub all: bool,
    pub json: bool,
}

impl Arguments {
    /// The token on the line, or else in the environment.
    pub fn token(&self) -> Result<Option<String>, String> {
        self.token.clone().map_or_else(|| variable("NANOQI_TOKEN"), |token| Ok(Some(token)))
    }
}

/// One that is empty counts as none.
fn variable(name: &str) -> Result<Option<String>, String> {
    let value = std::env::var_os(name).filter(|value| !value.is_empty());
    value.map(|value| value.into_string().map_err(|_| format!("{name} is not text in UTF-8"))).transpose()
}

/// Reads the words behind the program's name; an error says what is wrong.
pub fn parse(words: impl IntoIterator<Item: Into<OsString>>) -> Result<Arguments, String> {
    let mut parser = Parser::from_args(words);
    let mut arguments = Arguments {
        command: Command::Help,
        url: variable("NANOQI_URL")?.unwrap_or_else(|| "tcp://127.0.0.1:9559".into()),
        user: None,
        token: None,
        authorities: None,
        certificate: None,
        key: None,
        timeout: Some(Duration::from_secs(10)),
        memory: None,
        count: None,
        interval: Duration::from_secs(1),
        level: 4, // info
        time: false,
        wait: false,
        all: false,
        json: false,
    };
    let mut plain = Vec::new();
    arguments.command = match read(&mut parser, &mut arguments, &mut plain).map_err(|error| error.to_string())? {
        Some(asked) => asked,
        None => command(plain)?,
    };
    Ok(arguments)
}

/// Sorts the words; a command if one of the options is one.
fn read(
    parser: &mut Parser,
    arguments: &mut Arguments,
    plain: &mut Vec<String>,
) -> Result<Option<Command>, lexopt::Error> {
    loop {
        // There are no short options, so a negative number is an argument.
        let short =
            |word: &OsStr| word.as_encoded_bytes().starts_with(b"-") && !word.as_encoded_bytes().starts_with(b"--");
        if let Some(word) = parser.try_raw_args().and_then(|mut words| words.next_if(short)) {
            plain.push(word.string()?);
            continue;
        }
        let Some(word) = parser.next()? else { return Ok(None) };
        match word {
            Arg::Long("help") => return Ok(Some(Command::Help)),
            Arg::Long("version") => return Ok(Some(Command::Version)),
            Arg::Long("json") => arguments.json = true,
            Arg::Long("all") => arguments.all = true,
            Arg::Long("wait") => arguments.wait = true,
            Arg::Long("time") => arguments.time = true,
            Arg::Long("level") => arguments.level = parser.value()?.parse_with(level)?,
            Arg::Long("interval") => {
                let time = parser.value()?.parse_with(seconds)?;
                let none = || lexopt::Error::Custom("--interval must be longer than 0".into());
                arguments.interval = Some(time).filter(|time| !time.is_zero()).ok_or_else(none)?;
            }
            Arg::Long("qi-url") => arguments.url = parser.value()?.string()?,
            Arg::Long("user") => arguments.user = Some(parser.value()?.string()?),
            Arg::Long("token") => arguments.token = Some(parser.value()?.string()?),
            Arg::Long("ca") => arguments.authorities = Some(parser.value()?.string()?),
            Arg::Long("cert") => arguments.certificate = Some(parser.value()?.string()?),
            Arg::Long("key") => arguments.key = Some(parser.value()?.string()?),
            Arg::Long("memory") => arguments.memory = Some(parser.value()?.parse_with(mebibytes)?),
            Arg::Long("count") => arguments.count = Some(parser.value()?.parse_with(count)?),
            Arg::Long("timeout") => {
                let time = parser.value()?.parse_with(seconds)?;
                arguments.timeout = Some(time).filter(|time| !time.is_zero());
            }
            Arg::Value(word) => plain.push(word.string()?),
            other => return Err(other.unexpected()),
        }
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let wanted = || "--interval and --timeout take a number of seconds, as 2 or 0.5".to_owned();
    let seconds = text.parse().map_err(|_| wanted())?;
    Duration::try_from_secs_f64(seconds).map_err(|_| wanted())
}

fn count(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "--count takes a number, from 0 on".to_owned())
}

fn mebibytes(text: &str) -> Result<usize, String> {
    let number: Option<usize> = text.parse().ok().filter(|&number| number > 0);
    number
        .and_then(|number| number.checked_mul(1 << 20))
        .ok_or_else(|| "--memory takes a number of MiB, from 1 on".to_owned())
}

/// Those that mean several members, or one each.
fn members(words: impl Iterator<Item = String>) -> Result<Vec<Member>, String> {
    words.map(|word| Member::parse(&word)).collect()
}

fn command(words: Vec<String>) -> Result<Command, String> {
    let mut words = words.into_iter();
    let Some(name) = words.next() else { return Err("a command is missing".into()) };
    let mut next = |what: &str| words.next().ok_or_else(|| format!("{name} needs {what}"));
    let command = match name.as_str() {
        "list" => Command::List,
        "info" => Command::Info(next("a service")?),
        "trace" => Command::Trace(next("a service")?),
        "call" => Command::Call(Member::parse(&next("SERVICE.METHOD")?)?, words.by_ref().collect()),
        "post" => Command::Post(one(&next("SERVICE.METHOD")?)?, words.by_ref().collect()),
        "watch" => Command::Watch(members(std::iter::once(next("SERVICE.SIGNAL")?).chain(words.by_ref()))?),
        "get" => Command::Get(one(&next("SERVICE.PROPERTY")?)?),
        "set" => Command::Set(one(&next("SERVICE.PROPERTY")?)?, next("a value")?),
        "top" => Command::Top(words.by_ref().collect()),
        "log" => match words.next().as_deref() {
            None => Command::Log,
            Some("send") => {
                let (category, text) = (words.next(), words.next());
                category
                    .zip(text)
                    .map(|(category, text)| Command::LogSend(category, text))
                    .ok_or("log send needs a category and a text")?
            }
            Some(word) => return Err(format!("log does not take \"{word}\": log, or log send CATEGORY TEXT")),
        },
        "serve" => Command::Serve(words.next()),
        "help" => Command::Help,
        _ => return Err(format!("no such command: {name}")),
    };
    match words.next() {
        Some(word) => Err(format!("{name} does not take \"{word}\"")),
        None => Ok(command),
    }
}

/// A member that is no pattern.
fn one(text: &str) -> Result<Member, String> {
    let member = Member::parse(text)?;
    match member.is_pattern() {
        true => Err(format!("\"{text}\": * and ? are for watch and call")),
        false => Ok(member),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Result<Arguments, String> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn commands_and_options_mix() {
        let line = words("--qi-url tcp://h:1 call A.b.add::(ii) 1 -2 --json --timeout=0.5").unwrap();
        let member = Member::parse("A.b.add::(ii)").unwrap();
        assert_eq!(line.command, Command::Call(member, vec!["1".into(), "-2".into()]));
        assert_eq!((line.url.as_str(), line.json, line.timeout), ("tcp://h:1", true, Some(Duration::from_millis(500))));
        assert_eq!(words("post S.m -- --json").unwrap().command, {
            Command::Post(Member::parse("S.m").unwrap(), vec!["--json".into()])
        });
        assert_eq!(words("list --timeout 0").unwrap().timeout, None);
        assert_eq!(words("list --help").unwrap().command, Command::Help);
        let all = ["A.*", "B.c().d"].map(|text| Member::parse(text).unwrap());
        assert_eq!(words("watch A.* B.c().d --time").unwrap().command, Command::Watch(all.into()));
        assert_eq!(words("log send c t --level error").unwrap().command, Command::LogSend("c".into(), "t".into()));
        assert_eq!(words("log --level debug").unwrap().level, 6);
        assert_eq!(words("serve --memory 16").unwrap().memory, Some(16 << 20));
        assert_eq!(words("--version").unwrap().command, Command::Version);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for line in [
            "",
            "frob",
            "call",
            "call nodot",
            "call .m",
            "list more",
            "--frob list",
            "--timeout x list",
            "--json=1 list",
        ] {
            assert!(words(line).is_err(), "{line}");
        }
        for line in [
            "--timeout -1 list",
            "--timeout 1e99 list",
            "set S.p",
            "watch S.s more",
            "get S.*",
            "log what",
            "log send c",
            "log --level loud",
            "top --interval 0",
            "list --count",
            "serve --memory 0",
            "serve --memory 64M",
            "serve --memory 99999999999999",
            "--user",
        ] {
            assert!(words(line).is_err(), "{line}");
        }
        for option in ["--count x", "--count -1", "--interval -1", "--timeout 1e99", "--memory 0"] {
            let said = words(&format!("top {option}")).unwrap_err();
            let name = option.split(' ').next().unwrap();
            assert!(said.contains(&format!("{name} ")) && said.contains("a number"), "{option}: {said}");
        }
    }
}
