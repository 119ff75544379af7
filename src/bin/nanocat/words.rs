//! Reads the command line. `lexopt` takes the words apart; the table says what they mean, and abbreviations are completed here.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::time::Duration;

use lexopt::{Arg, Parser};
use nanomsg::internals::tls;

use crate::check::SeenOptions;
use crate::completions::Shell;
use crate::format::Format;
use crate::outcome::Failure;
use crate::plan::{Asked, Data, Plan, Setting};
use crate::table::{CHOICES, Choice, Effect, TLS_AUTH, TLS_VERSIONS, preset};

/// Reads the words that follow the program's name, in order.
pub fn read(program: &str, words: impl IntoIterator<Item = OsString>) -> Result<Asked, Failure> {
    let words: Vec<_> = words.into_iter().collect();
    let mut reader =
        WordReader { program, parser: Parser::from_args(words), seen: SeenOptions::new(), plan: Plan::default() };
    // `-Dx=y` and `-D=x` both send what stands behind the letter.
    reader.parser.set_short_equals(false);
    if let Some(index) = preset(program) {
        reader.take(index, &format!("{program} (executable)"))?;
    }
    reader.read()
}

struct WordReader<'a> {
    program: &'a str,
    parser: Parser,
    seen: SeenOptions,
    plan: Plan,
}

/// A word that names an option: which, and how it was written.
struct Named {
    index: usize,
    written: String,
}

impl WordReader<'_> {
    fn read(mut self) -> Result<Asked, Failure> {
        loop {
            // A dash or two by themselves mean nothing.
            if let Some(mut words) = self.parser.try_raw_args() {
                while words.next_if(|word| word == "-" || word == "--").is_some() {}
            }
            let Some(named) = self.next()? else { break };
            if let Some(asked) = self.take(named.index, &named.written)? {
                return Ok(asked);
            }
        }
        self.seen.complete().map_err(|text| self.wrong(&text))?;
        Ok(Asked::Run(Box::new(self.plan)))
    }

    fn wrong(&self, text: &str) -> Failure {
        Failure::usage(self.program, text)
    }

    /// The next option; what is none is an error.
    fn next(&mut self) -> Result<Option<Named>, Failure> {
        let whole = self.parser.try_raw_args().and_then(|words| words.as_slice().first().cloned()).unwrap_or_default();
        let whole = whole.to_string_lossy();
        let arg = match self.parser.next() {
            Ok(Some(arg)) => arg,
            Ok(None) => return Ok(None),
            // Every option with `=` behind it is asked for its argument, so none is left over.
            Err(error) => return Err(Failure::usage(self.program, &error.to_string())),
        };
        match arg {
            Arg::Short(letter) => match CHOICES.iter().position(|choice| choice.short == Some(letter)) {
                Some(index) => Ok(Some(Named { index, written: format!("-{letter} (--{})", CHOICES[index].long) })),
                None => Err(Failure::usage(self.program, &format!("Unknown option ``-{letter}''"))),
            },
            Arg::Long(name) => match find(name) {
                Ok((index, written)) => Ok(Some(Named { index, written: written.unwrap_or_else(|| whole.into()) })),
                Err(Unclear::Unknown) => Err(Failure::usage(self.program, &format!("Unknown option ``{whole}''"))),
                Err(Unclear::Ambiguous(names)) => {
                    let text = format!("Ambiguous option ``{whole}'':{}", listed(&names));
                    Err(Failure::usage(self.program, &text))
                }
            },
            Arg::Value(word) => {
                let text = format!("Unexpected argument ``{}''", word.to_string_lossy());
                Err(Failure::usage(self.program, &text))
            }
        }
    }

    /// Does what an option says. Something if the rest of the line does not matter.
    fn take(&mut self, index: usize, written: &str) -> Result<Option<Asked>, Failure> {
        let choice = &CHOICES[index];
        let argument = self.argument(choice, written)?;
        self.seen.add(index, written).map_err(|text| self.wrong(&text))?;
        match choice.effect {
            Effect::Nothing => {}
            Effect::Help => return Ok(Some(Asked::Help)),
            Effect::Version => return Ok(Some(Asked::Version)),
            Effect::Completions => {
                return self.named(&Shell::ALL, written, &argument).map(Asked::Completions).map(Some);
            }
            Effect::Type(kind) => self.plan.kind = Some(kind),
            Effect::Bind(prefix) => self.plan.binds.push([prefix.as_bytes(), argument.as_bytes()].concat()),
            Effect::Connect(prefix) => self.plan.connects.push([prefix.as_bytes(), argument.as_bytes()].concat()),
            Effect::RecvTimeout => self.plan.recv_timeout = Some(self.number(written, &argument)?),
            Effect::SendTimeout => self.plan.send_timeout = Some(self.number(written, &argument)?),
            Effect::Name => self.plan.name = Some(argument.into_vec()),
            Effect::Subscribe => self.plan.subscriptions.push(argument.into_vec()),
            Effect::Format => self.plan.format = self.named(&Format::ALL, written, &argument)?,
            Effect::As(format) => self.plan.format = format,
            Effect::Interval => self.plan.interval = seconds(self.number(written, &argument)?),
            Effect::Delay => self.plan.delay = seconds(self.number(written, &argument)?),
            Effect::Data => self.plan.data = Data::Bytes(argument.into_vec()),
            Effect::File => self.plan.data = Data::Bytes(contents(&argument)?),
            Effect::Lines => self.plan.data = Data::Lines,
            Effect::Count => self.plan.count = Some(self.count(written, &argument)?),
            Effect::Stats => self.plan.stats = true,
            Effect::Events => self.plan.events = true,
            Effect::Tls(option) => {
                let written = format!("{written} {}", argument.to_string_lossy());
                self.set_tls(option, argument.into_vec(), &written);
            }
            Effect::TlsAuth => self.set_tls(tls::AUTH, bytes(self.named(&TLS_AUTH, written, &argument)?), written),
            Effect::TlsMinVersion => {
                self.set_tls(tls::MIN_VERSION, bytes(self.named(&TLS_VERSIONS, written, &argument)?), written);
            }
            Effect::TlsInsecure => self.set_tls(tls::INSECURE, bytes(1), written),
        }
        Ok(None)
    }

    fn set_tls(&mut self, option: i32, value: Vec<u8>, written: &str) {
        self.plan.tls.push(Setting { option, value, written: written.to_owned() });
    }

    /// The argument, empty where there is none to be.
    fn argument(&mut self, choice: &Choice, written: &str) -> Result<OsString, Failure> {
        if choice.meta.is_some() {
            return self.parser.value().map_err(|_| self.wrong(&format!("Option {written} requires an argument")));
        }
        // Behind a letter follow other letters.
        if written.starts_with("--") && self.parser.optional_value().is_some() {
            return Err(self.wrong(&format!("Option {written} does not accept argument")));
        }
        Ok(OsString::new())
    }

    /// As C reads a number: with blanks in front of it, and nothing is zero.
    fn number(&self, written: &str, argument: &OsStr) -> Result<f64, Failure> {
        let text = argument.to_str().map(str::trim_start).unwrap_or("?");
        match if text.is_empty() { Ok(0.0) } else { text.parse() } {
            Ok(number) => Ok(number),
            Err(_) => Err(self.wrong(&format!("Option {written} requires float point argument"))),
        }
    }

    fn count(&self, written: &str, argument: &OsStr) -> Result<u64, Failure> {
        let number = argument.to_str().and_then(|text| text.parse().ok()).filter(|&count| count > 0);
        number.ok_or_else(|| self.wrong(&format!("Option {written} requires a whole number above 0")))
    }

    fn named<T: Copy>(&self, all: &[(&'static str, T)], written: &str, argument: &OsStr) -> Result<T, Failure> {
        let found = all.iter().find(|(name, _)| argument == *name).map(|(_, value)| *value);
        found.ok_or_else(|| {
            let names: Vec<_> = all.iter().map(|(name, _)| *name).collect();
            let value = argument.to_string_lossy();
            self.wrong(&format!("Invalid value ``{value}'' for {written} . Options are:{}", listed(&names)))
        })
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Unclear {
    Unknown,
    Ambiguous(Vec<&'static str>),
}

/// The option with this long name, or the only one that begins so; with how it is shown, if it was abbreviated.
fn find(name: &str) -> Result<(usize, Option<String>), Unclear> {
    if let Some(index) = CHOICES.iter().position(|choice| choice.long == name) {
        return Ok((index, None));
    }
    for ours in [false, true] {
        let begins = |choice: &Choice| choice.is_ours() == ours && !name.is_empty() && choice.long.starts_with(name);
        let found: Vec<_> = (0..CHOICES.len()).filter(|&index| begins(&CHOICES[index])).collect();
        match found[..] {
            [] => {}
            [index] => return Ok((index, Some(format!("--{name}[{}]", &CHOICES[index].long[name.len()..])))),
            _ => return Err(Unclear::Ambiguous(found.iter().map(|&index| CHOICES[index].long).collect())),
        }
    }
    Err(Unclear::Unknown)
}

fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("\n    {name}")).collect()
}

/// An int, as options take it.
fn bytes(value: i32) -> Vec<u8> {
    value.to_ne_bytes().to_vec()
}

/// A time to wait: none if it is not above zero, and for practical purposes for ever if it is larger than times can be.
fn seconds(number: f64) -> Option<Duration> {
    if number > 0.0 { Some(Duration::try_from_secs_f64(number).unwrap_or(Duration::MAX)) } else { None }
}

/// The bytes of a file; `-` is standard input.
fn contents(path: &OsStr) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = if path == "-" {
        io::stdin().lock().read_to_end(&mut bytes)
    } else {
        let mut file =
            fs::File::open(path).map_err(|error| Failure::file("opening", &path.to_string_lossy(), &error))?;
        file.read_to_end(&mut bytes)
    };
    read.map_err(|error| Failure::file("reading", &path.to_string_lossy(), &error))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(line: &str) -> Plan {
        match read("nanocat", line.split_whitespace().map(OsString::from)) {
            Ok(Asked::Run(plan)) => *plan,
            Ok(_) => panic!("{line}: not a plan"),
            Err(failure) => panic!("{line}: {failure:?}"),
        }
    }

    #[test]
    fn addresses_keep_their_order_and_are_completed() {
        let plan = plan("--pull -L 1 -X a --bind x://y -l2 --connect-ipc b -xc");
        assert_eq!(plan.binds, [&b"tcp://127.0.0.1:1"[..], b"ipc://a", b"x://y"]);
        assert_eq!(plan.connects, [&b"tcp://127.0.0.1:2"[..], b"ipc://b", b"ipc://c"]);
    }

    #[test]
    fn letters_stand_together_with_an_argument_behind_them() {
        let plan = plan("--pair -vqADx=1 -L 1 -i.5 - --");
        assert_eq!((plan.format, plan.data), (Format::Ascii, Data::Bytes(b"x=1".to_vec())));
        assert_eq!(plan.interval, Some(Duration::from_millis(500)));
    }

    #[test]
    fn fractions_of_seconds_are_kept_and_later_formats_win() {
        let plan = plan("--sub -L 1 --raw --hex --recv-t 0.25 --asc");
        assert_eq!((plan.recv_timeout, plan.format), (Some(0.25), Format::Ascii));
    }

    #[test]
    fn an_abbreviation_never_means_ours_where_it_can_mean_theirs() {
        let long = |name: &str| find(name).map(|(index, _)| CHOICES[index].long);
        assert_eq!((long("ver"), long("vers"), long("sub")), (Ok("verbose"), Ok("version"), Ok("sub")));
        let theirs = Unclear::Ambiguous(vec!["connect", "connect-ipc", "connect-local"]);
        assert_eq!((long("co"), long("cou")), (Err(theirs), Ok("count")));
        assert_eq!((long(""), long("frob")), (Err(Unclear::Unknown), Err(Unclear::Unknown)));
    }

    #[test]
    fn data_need_not_be_text() {
        let words = [b"--push".to_vec(), b"-L1".to_vec(), b"-D\xff\x01".to_vec()].map(OsString::from_vec);
        let Ok(Asked::Run(plan)) = read("nanocat", words) else { panic!("not a plan") };
        assert_eq!(plan.data, Data::Bytes(b"\xff\x01".to_vec()));
    }

    #[test]
    fn the_name_of_the_program_chooses_the_type() {
        let named = |name: &str, line: &str| read(name, line.split_whitespace().map(OsString::from));
        assert!(matches!(named("/a/nn_pull", "-L 1"), Ok(Asked::Run(_))));
        for (name, line) in [("nn_pull", "-L 1 --sub"), ("nn_frob", "-L 1"), ("pull", "-L 1"), ("nn_lines", "-L 1")] {
            assert!(named(name, line).is_err(), "{name} {line}");
        }
    }
}
