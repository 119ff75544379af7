//! Markdown as a manual page, in the macros of man(7).

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

use crate::page::{Page, Title};

/// Of all pages; a page that changes need not say when.
const DATE: &str = "2026-11-29";

pub fn manual_page(page: &Page, title: &Title, name_of: &dyn Fn(&str) -> Option<String>) -> String {
    let kind = if title.section == "3" { "nanomsg functions" } else { "nanomsg" };
    let mut writer = Writer::new(name_of);
    writer.out += &format!(
        ".\\\" Made from {}: change that, then run `make manual`.\n.TH {} {} {DATE} Millrace \"{kind}\"\n",
        page.path.file_name().unwrap_or_default().to_string_lossy(),
        title.name.to_uppercase(),
        title.section
    );
    writer.out += &format!(".SH NAME\n{} \\- {}\n", title.name, escaped(&title.what));
    for event in Parser::new_ext(&page.text, Options::ENABLE_TABLES) {
        writer.event(event);
    }
    writer.out
}

struct Writer<'a> {
    out: String,
    /// Text of the paragraph, item or cell under way.
    text: String,
    cells: Vec<String>,
    columns: Vec<String>,
    /// What stands in a block of code, and whether it is the first of the page.
    code: Option<String>,
    has_synopsis: bool,
    in_description: bool,
    in_image: bool,
    in_item: bool,
    /// The manual page that the link under way goes to.
    link: Option<String>,
    name_of: &'a dyn Fn(&str) -> Option<String>,
}

impl<'a> Writer<'a> {
    fn new(name_of: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Writer {
            out: String::new(),
            text: String::new(),
            cells: Vec::new(),
            columns: Vec::new(),
            code: None,
            has_synopsis: false,
            in_description: false,
            in_image: false,
            in_item: false,
            link: None,
            name_of,
        }
    }

    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) => match &mut self.code {
                Some(code) => *code += &text,
                None if self.in_image || self.link.is_some() => {}
                None => self.text += &escaped(&text),
            },
            Event::Code(code) if self.link.is_none() => {
                self.text += &format!("\\fB{}\\fP", escaped(&code).replace('-', "\\-"));
            }
            Event::SoftBreak | Event::HardBreak => self.text.push(' '),
            _ => {}
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Heading { .. } => {
                self.text.clear();
            }
            Tag::CodeBlock(CodeBlockKind::Fenced(_) | CodeBlockKind::Indented) => self.code = Some(String::new()),
            Tag::Image { .. } => self.in_image = true,
            Tag::Link { dest_url, .. } => self.link = (self.name_of)(&dest_url),
            Tag::Emphasis => self.text += "\\fI",
            Tag::Strong => self.text += "\\fB",
            Tag::Item => self.in_item = true,
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(level) => self.heading(level as usize),
            TagEnd::Paragraph if !self.in_item => {
                let text = std::mem::take(&mut self.text);
                self.paragraph(&text);
            }
            TagEnd::Item => {
                self.in_item = false;
                let text = std::mem::take(&mut self.text);
                self.out += &format!(".IP \\(bu 3\n{}\n", filled(&text));
            }
            TagEnd::CodeBlock => self.code_block(),
            TagEnd::Image => self.in_image = false,
            TagEnd::Link => {
                if let Some(page) = self.link.take() {
                    self.text += &page;
                }
            }
            TagEnd::Emphasis | TagEnd::Strong => self.text += "\\fP",
            TagEnd::TableCell => self.cells.push(std::mem::take(&mut self.text)),
            TagEnd::TableHead => self.columns = std::mem::take(&mut self.cells),
            TagEnd::TableRow => self.row(),
            _ => {}
        }
    }

    fn heading(&mut self, level: usize) {
        let text = std::mem::take(&mut self.text);
        if level > 1 {
            self.in_description = true;
            let (macro_name, text) = if level == 2 { (".SH", text.to_uppercase()) } else { (".SS", text) };
            self.out += &format!("{macro_name} {text}\n");
        }
    }

    fn describe(&mut self) {
        if !self.in_description {
            self.in_description = true;
            self.out += ".SH DESCRIPTION\n";
        }
    }

    fn paragraph(&mut self, text: &str) {
        if text.trim().is_empty() {
            return;
        }
        self.describe();
        if !self.out.lines().last().is_some_and(|line| line.starts_with(".SH") || line.starts_with(".SS")) {
            self.out += ".PP\n";
        }
        self.out += &format!("{}\n", filled(text));
    }

    fn code_block(&mut self) {
        let code = self.code.take().unwrap_or_default();
        if !self.has_synopsis && !self.in_description {
            self.has_synopsis = true;
            self.out += &format!(".SH SYNOPSIS\n.nf\n{}.fi\n", verbatim(&code).replace("\n\n", "\n.sp\n"));
            return;
        }
        self.describe();
        let after_heading = self.out.lines().last().is_some_and(|line| line.starts_with(".SH"));
        self.out += if after_heading { "" } else { ".PP\n" };
        self.out += &format!(".RS 4\n.nf\n{}.fi\n.RE\n", verbatim(&code).replace("\n\n", "\n.sp\n"));
    }

    /// A row is a paragraph whose first cell stands at its side; of three and more, the others say what they are.
    fn row(&mut self) {
        let cells = std::mem::take(&mut self.cells);
        self.describe();
        let mut rest = cells.iter().zip(&self.columns).skip(1).filter(|(cell, _)| !cell.trim().is_empty());
        let text: Vec<String> = if cells.len() == 2 {
            rest.next().map(|(cell, _)| cell.clone()).into_iter().collect()
        } else {
            rest.map(|(cell, column)| if column.is_empty() { cell.clone() } else { format!("{column}: {cell}") })
                .collect()
        };
        let text = if text.is_empty() { "\\&".to_owned() } else { filled(&text.join("; ")) };
        self.out += &format!(".TP\n{}\n{text}\n", guarded(&cells[0]));
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '\\' => out += "\\e",
            '’' => out.push('\''),
            '–' => out += "\\(en",
            '→' => out += "\\(->",
            '…' => out += "...",
            '×' => out += "\\(mu",
            c if c.is_ascii() => out.push(c),
            c => out += &format!("\\[u{:04X}]", c as u32),
        }
    }
    out
}

/// A sentence on each line, as is the custom, and no line that looks like a request.
fn filled(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut lines: Vec<String> = vec![String::new()];
    for word in words {
        let line = lines.last_mut().expect("there is always a line");
        if line.len() + word.len() > 78 || line.ends_with(['.', ':', '?', '!']) && line.len() > 20 {
            lines.push(word.to_owned());
        } else {
            *line += if line.is_empty() { "" } else { " " };
            *line += word;
        }
    }
    lines.iter().map(|line| guarded(line)).collect::<Vec<_>>().join("\n")
}

fn guarded(line: &str) -> String {
    if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line.to_owned() }
}

/// Without the indentation that all lines have.
fn verbatim(code: &str) -> String {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let common = code.lines().filter(|line| !line.is_empty()).map(indent).min().unwrap_or(0);
    let line = |line: &str| {
        let line = line.get(common..).unwrap_or_default().trim_end();
        format!("{}\n", guarded(&escaped(line).replace('-', "\\-")))
    };
    code.lines().map(line).collect()
}
