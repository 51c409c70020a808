//! The operators' pages as a browser without a script uses them: it keeps the cookie that it was given, and sends it along.

use crate::http::{self, Answer};
use crate::lab::{Lab, text};
use crate::portal::{Fields, Page};
use crate::served::Served;

/// The name of the cookie.
pub const COOKIE: &str = "__Host-counterfoil";

/// Somebody at a browser.
#[derive(Debug)]
pub struct Operator<'a> {
    served: &'a Served,
    /// What the browser keeps: name and value.
    pub cookie: String,
}

impl Lab {
    /// A new token of a role.
    #[track_caller]
    pub fn token(&self, role: &str) -> String {
        text(&self.vendor(&format!("token create --role {role}")).done(), "token")
    }
}

impl Served {
    /// Somebody who is not signed in.
    pub fn stranger(&self) -> Operator<'_> {
        self.holding(String::new())
    }

    /// Somebody whose browser keeps this cookie.
    pub fn holding(&self, cookie: String) -> Operator<'_> {
        Operator { served: self, cookie }
    }

    /// Somebody who has just signed in.
    ///
    /// # Panics
    /// If the token is not taken.
    #[track_caller]
    pub fn signed_in(&self, token: &str) -> Operator<'_> {
        let mut operator = self.stranger();
        let answer = operator.post("/operator/sign-in", &[("token", token)]);
        assert_eq!((answer.status, answer.header("location")), (303, "/operator"), "{answer:?}");
        operator.keep(&answer);
        operator
    }
}

impl Operator<'_> {
    /// Keeps the cookie of an answer, if it brings one.
    pub fn keep(&mut self, answer: &Answer) {
        let cookie = answer.header("set-cookie").split(';').next().unwrap_or_default();
        if cookie.starts_with(COOKIE) {
            cookie.clone_into(&mut self.cookie);
        }
    }

    /// Opens an address.
    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        let request = http::request("GET", path, &[("cookie", &self.cookie)], b"");
        http::send(self.served.address, &request).expect("it answers")
    }

    /// Opens a page.
    #[track_caller]
    pub fn page(&self, path: &str) -> Page {
        Page::read(self.get(path), 200)
    }

    /// Sends a form from a page of the service.
    #[track_caller]
    pub fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.post_from(path, &[("sec-fetch-site", "same-origin")], fields)
    }

    /// Sends a form with these headers.
    #[track_caller]
    pub fn post_from(&self, path: &str, headers: &[(&str, &str)], fields: &[(&str, &str)]) -> Answer {
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, None, value.as_bytes())).collect();
        let headers = [headers, &[("cookie", self.cookie.as_str())]].concat();
        let fields: &Fields<'_> = &fields;
        self.served.form_from(path, &headers, fields)
    }

    /// Opens a page, fills in its form and sends it, with which version of a licence the page showed.
    #[track_caller]
    pub fn fill_in(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let saw = self.page(path).carried("saw");
        self.post(path, &[fields, &[("saw", saw.as_str())]].concat())
    }

    /// Orders a licence, on a page that was just opened for it.
    #[track_caller]
    pub fn order(&self, fields: &[(&str, &str)]) -> Answer {
        let once = self.page("/operator/issue").carried("once");
        self.post("/operator/issue", &[fields, &[("once", once.as_str())]].concat())
    }

    /// Opens the page to which an answer leads.
    #[track_caller]
    pub fn follow(&self, answer: &Answer) -> Page {
        assert_eq!(answer.status, 303, "{}", String::from_utf8_lossy(&answer.body));
        self.page(answer.header("location"))
    }

    /// Sends a form, and opens the page to which it leads.
    #[track_caller]
    pub fn done(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        self.follow(&self.post(path, fields))
    }
}
