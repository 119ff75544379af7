//! Completions for shells, made from the table of options: `nanocat --completions SHELL`. Those that are installed are in
//! `packaging/completions`; a test sees to it that they are these.

use crate::format::Format;
use crate::table::{CHOICES, Choice, Effect, TLS_AUTH, TLS_VERSIONS};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl Shell {
    pub const ALL: [(&'static str, Shell); 3] = [("bash", Shell::Bash), ("zsh", Shell::Zsh), ("fish", Shell::Fish)];
}

/// What may stand behind an option.
enum Argument {
    None,
    Free,
    Files,
    Words(String),
}

fn argument(choice: &Choice) -> Argument {
    let words = |names: Vec<&str>| Argument::Words(names.join(" "));
    match choice.effect {
        _ if choice.meta.is_none() => Argument::None,
        Effect::Format => words(Format::ALL.map(|(name, _)| name).to_vec()),
        Effect::TlsAuth => words(TLS_AUTH.map(|(name, _)| name).to_vec()),
        Effect::TlsMinVersion => words(TLS_VERSIONS.map(|(name, _)| name).to_vec()),
        Effect::Completions => words(Shell::ALL.map(|(name, _)| name).to_vec()),
        _ if choice.meta == Some("PATH") => Argument::Files,
        _ => Argument::Free,
    }
}

/// The tool and the names by which it has chosen its type.
fn programs() -> Vec<String> {
    let types = CHOICES.iter().filter(|choice| matches!(choice.effect, Effect::Type(_)));
    let names = types.map(|choice| format!("nn_{}", choice.long));
    ["nanocat".to_owned()].into_iter().chain(names).collect()
}

pub fn script(shell: Shell) -> String {
    match shell {
        Shell::Bash => bash(),
        Shell::Zsh => zsh(),
        Shell::Fish => fish(),
    }
}

fn bash() -> String {
    let mut cases = String::new();
    for choice in &CHOICES {
        let short = choice.short.map(|short| format!("|-{short}")).unwrap_or_default();
        let reply = match argument(choice) {
            Argument::None => continue,
            Argument::Free => "COMPREPLY=()".to_owned(),
            Argument::Files => "COMPREPLY=($(compgen -f -- \"$word\"))".to_owned(),
            Argument::Words(words) => format!("COMPREPLY=($(compgen -W \"{words}\" -- \"$word\"))"),
        };
        cases += &format!("        --{}{short}) {reply}; return ;;\n", choice.long);
    }
    let options: Vec<_> = CHOICES.iter().map(|choice| format!("--{}", choice.long)).collect();
    let (options, programs) = (options.join(" "), programs().join(" "));
    format!(
        "# bash completion of nanocat, printed by nanocat --completions bash\n\
         _nanocat() {{\n    local word=${{COMP_WORDS[COMP_CWORD]}}\n    case ${{COMP_WORDS[COMP_CWORD-1]}} in\n{cases}    esac\n    \
         COMPREPLY=($(compgen -W \"{options}\" -- \"$word\"))\n}}\ncomplete -F _nanocat {programs}\n"
    )
}

fn zsh() -> String {
    let mut text = format!(
        "#compdef {}\n# zsh completion of nanocat, printed by nanocat --completions zsh\n_arguments -s",
        programs().join(" ")
    );
    for choice in &CHOICES {
        let help = quoted(&choice.help.replace('[', "\\[").replace(']', "\\]"));
        let meta = choice.meta.unwrap_or_default();
        let behind = match argument(choice) {
            Argument::None => String::new(),
            Argument::Free => format!(":{meta}: "),
            Argument::Files => format!(":{meta}:_files"),
            Argument::Words(words) => format!(":{meta}:({words})"),
        };
        let (equals, plus) = if choice.meta.is_some() { ("=", "+") } else { ("", "") };
        text += &format!(" \\\n    '*--{}{equals}[{help}]{behind}'", choice.long);
        if let Some(short) = choice.short {
            text += &format!(" \\\n    '*-{short}{plus}[{help}]{behind}'");
        }
    }
    text + "\n"
}

fn fish() -> String {
    let mut text = "# fish completion of nanocat, printed by nanocat --completions fish\n".to_owned();
    text += "complete -c nanocat -f\n";
    for choice in &CHOICES {
        let short = choice.short.map(|short| format!(" -s {short}")).unwrap_or_default();
        let behind = match argument(choice) {
            Argument::None => String::new(),
            Argument::Free => " -x".to_owned(),
            Argument::Files => " -r -F".to_owned(),
            Argument::Words(words) => format!(" -x -a '{words}'"),
        };
        text += &format!("complete -c nanocat -l {}{short}{behind} -d '{}'\n", choice.long, quoted(choice.help));
    }
    for program in programs().iter().skip(1) {
        text += &format!("complete -c {program} -w nanocat\n");
    }
    text
}

/// For between single quotes.
fn quoted(text: &str) -> String {
    text.replace('\'', "'\\''")
}
