//! The portal as a browser without a script uses it: forms are filled in and sent, and what a page carries goes with the next.

use schemas::armor;
use schemas::container::FileKind;

use crate::http::{self, Answer};
use crate::served::Served;

const BOUNDARY: &str = "a-boundary-of-these-tests";

/// The fields of a form: name, the name of a file if it is one, value.
pub type Fields<'a> = [(&'a str, Option<&'a str>, &'a [u8])];

/// A page.
#[derive(Clone, Debug)]
pub struct Page {
    /// The answer.
    pub answer: Answer,
    /// Its HTML.
    pub html: String,
}

impl Page {
    /// Reads an answer, which is a page with this status.
    ///
    /// # Panics
    /// If it is not.
    #[track_caller]
    pub fn read(answer: Answer, status: u16) -> Self {
        let html = String::from_utf8(answer.body.clone()).expect("UTF-8");
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (status, "text/html; charset=utf-8"),
            "{html}"
        );
        assert!(html.starts_with("<!doctype html>\n<html lang=\"en\">"), "{html}");
        assert_eq!(html.matches("<h1>").count(), 1, "{html}");
        Self { answer, html }
    }

    /// Whether `text` stands on it.
    #[track_caller]
    pub fn says(&self, text: &str) -> &Self {
        assert!(self.html.contains(text), "it does not say {text:?}:\n{}", self.html);
        self
    }

    /// What a hidden field carries.
    ///
    /// # Panics
    /// If there is none of this name.
    #[track_caller]
    pub fn carried(&self, name: &str) -> String {
        let begin = format!("<input type=\"hidden\" name=\"{name}\" value=\"");
        let (_, rest) = self.html.split_once(&begin).unwrap_or_else(|| panic!("no {name}: {}", self.html));
        unescaped(rest.split('"').next().unwrap_or_default())
    }

    /// The licence file's text, as it stands there to be copied.
    ///
    /// # Panics
    /// If there is none.
    #[track_caller]
    pub fn licence(&self) -> String {
        self.area("licence")
    }

    /// The unlock code, as it stands there to be copied.
    ///
    /// # Panics
    /// If there is none.
    #[track_caller]
    pub fn unlock(&self) -> String {
        self.area("unlock")
    }

    /// What stands in the text area of this name.
    ///
    /// # Panics
    /// If there is none.
    #[track_caller]
    pub fn area(&self, id: &str) -> String {
        let begin = format!("<textarea id=\"{id}\"");
        let (_, rest) = self.html.split_once(&begin).unwrap_or_else(|| panic!("{}", self.html));
        let (_, text) = rest.split_once('>').expect("the tag ends");
        unescaped(text.split("</textarea>").next().unwrap_or_default())
    }
}

impl Served {
    /// Sends a form from a page of the service.
    #[track_caller]
    pub fn form(&self, path: &str, fields: &Fields<'_>) -> Answer {
        self.form_from(path, &[("sec-fetch-site", "same-origin")], fields)
    }

    /// Sends a form with these headers.
    #[track_caller]
    pub fn form_from(&self, path: &str, headers: &[(&str, &str)], fields: &Fields<'_>) -> Answer {
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        let headers = [&[("content-type", kind.as_str())], headers].concat();
        http::send(self.address, &http::request("POST", path, &headers, &encoded(fields)))
            .expect("it answers")
    }

    /// Chooses a file and has it read.
    #[track_caller]
    pub fn choose(&self, file: &[u8]) -> Answer {
        self.form("/request", &[("file", Some("device.cfbundle"), file), ("text", None, b"")])
    }

    /// Pastes a text and has it read.
    #[track_caller]
    pub fn paste(&self, text: &str) -> Answer {
        self.form("/request", &[("file", Some(""), b""), ("text", None, text.as_bytes())])
    }

    /// Types a code, and the licence key if it is a request, and has it read.
    #[track_caller]
    pub fn type_code(&self, code: &str, key: &str) -> Answer {
        self.form("/code", &[("code", None, code.as_bytes()), ("key", None, key.as_bytes())])
    }

    /// Has a code answered without having it read before.
    #[track_caller]
    pub fn unlock(&self, code: &str, key: &str) -> Answer {
        self.form("/unlock", &[("code", None, code.as_bytes()), ("key", None, key.as_bytes())])
    }

    /// Types a code, sends on what the page carries, and takes the page with the answer.
    #[track_caller]
    pub fn answered_code(&self, code: &str, key: &str) -> Page {
        let read = Page::read(self.type_code(code, key), 200);
        let key = if key.is_empty() { String::new() } else { read.carried("key") };
        Page::read(self.unlock(&read.carried("code"), &key), 200)
    }

    /// Sends on what a page carries.
    #[track_caller]
    pub fn send_on(&self, page: &Page) -> Page {
        let carried = page.carried("text").replace('\n', "\r\n");
        Page::read(self.form("/answer", &[("text", None, carried.as_bytes())]), 200)
    }

    /// Gives a file, sends it on, and saves the licence file that answers it.
    ///
    /// # Panics
    /// If a step is refused, or what is saved is not what can be copied.
    #[track_caller]
    pub fn answered(&self, file: &[u8]) -> (Page, Vec<u8>) {
        let page = self.send_on(&Page::read(self.choose(file), 200));
        let text = page.licence();
        let saved = self.form("/licence-file", &[("text", None, text.replace('\n', "\r\n").as_bytes())]);
        assert_eq!(saved.status, 200, "{saved:?}");
        assert_eq!(saved.header("content-type"), "application/vnd.counterfoil.grant");
        assert_eq!(saved.header("content-disposition"), "attachment; filename=\"licence.cfgrant\"");
        assert_eq!(text, armor::armor(FileKind::Grants, &saved.body));
        (page, saved.body)
    }
}

/// A form as browsers encode it (RFC 7578).
fn encoded(fields: &Fields<'_>) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, file, value) in fields {
        let file =
            file.map(|file| format!("; filename=\"{file}\"\r\ncontent-type: application/octet-stream"));
        let head = format!("--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{name}\"");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(file.unwrap_or_default().as_bytes());
        body.extend_from_slice(b"\r\n\r\n");
        body.extend_from_slice(value);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    body
}

fn unescaped(text: &str) -> String {
    [("&#38;", "&"), ("&#60;", "<"), ("&#62;", ">"), ("&#34;", "\""), ("&#39;", "'")]
        .iter()
        .fold(text.to_owned(), |text, (escaped, symbol)| text.replace(escaped, symbol))
}
