//! What a form sends: a file that was chosen, or a text that was pasted, and a few words. All forms are
//! `multipart/form-data`, in which files and long texts travel as they are.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts as _, Request};
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use futures_util::{FutureExt as _, stream};
use multer::{Constraints, Multipart};
use schemas::armor;
use schemas::codes::Code;
use schemas::refusal::Refusal;
use tokio::sync::OwnedSemaphorePermit;

use crate::service::Service;
use crate::service::client::Client;
use crate::service::problem::Problem;

/// What begins and ends a text form (RFC 7468).
const BEGIN: &str = "-----BEGIN COUNTERFOIL ";
const END: &str = "-----END COUNTERFOIL ";

/// The fields that came and are not empty.
#[derive(Debug, Default)]
pub(in crate::service) struct Form(BTreeMap<String, Bytes>);

impl Form {
    /// Receives a form that has none but the `known` fields and has `work` done with it; a large one holds its place in memory
    /// as long as what is returned beside the result lives.
    ///
    /// # Errors
    /// Those of [`crate::service::body::Bodies::receive`]; `request_invalid` for what is no such form.
    pub(in crate::service) async fn receive<T: Send + 'static>(
        service: &Service,
        client: Client,
        headers: &HeaderMap,
        body: Body,
        known: &'static [&'static str],
        work: impl FnOnce(Self) -> T + Send + 'static,
    ) -> Result<(T, Option<OwnedSemaphorePermit>), Refusal> {
        let boundary = boundary(headers)?;
        let received = service.bodies.receive(client.0, body).await?;
        let read = move |bytes| Self::parse(bytes, boundary, known).map(work);
        let (done, place) = service.desk.with(received, read).await?;
        Ok((done?, place))
    }

    fn parse(bytes: Vec<u8>, boundary: String, known: &[&'static str]) -> Result<Self, Refusal> {
        let all = stream::iter([Ok::<_, Infallible>(Bytes::from(bytes))]);
        let only = Constraints::new().allowed_fields(known.to_vec());
        let fields = Self::read(Multipart::with_constraints(all, boundary, only)).now_or_never();
        // All of it is there, so that nothing is waited for.
        fields.ok_or(Code::Internal)?.map_err(|error| invalid(&error))
    }

    async fn read(mut parts: Multipart<'_>) -> Result<Self, multer::Error> {
        let mut form = Self::default();
        while let Some(part) = parts.next_field().await? {
            let name = part.name().unwrap_or_default().to_owned();
            let value = part.bytes().await?;
            if !value.is_empty() {
                form.0.insert(name, value);
            }
        }
        Ok(form)
    }

    /// What was typed into a field, without the white space around it.
    pub(in crate::service) fn word(&self, name: &str) -> &str {
        self.text(name).trim()
    }

    /// What was typed into a field, exactly so.
    pub(in crate::service) fn text(&self, name: &str) -> &str {
        let value = self.0.get(name).map_or(&[][..], |value| value);
        std::str::from_utf8(value).unwrap_or_default()
    }

    /// The bytes of the file that was chosen, or whose text was pasted.
    ///
    /// # Errors
    /// `request_invalid` unless it is exactly one; `damaged` for a text form that is broken.
    pub(in crate::service) fn into_file(mut self) -> Result<Vec<u8>, Refusal> {
        let text = self.0.remove("text").filter(|text| !text.trim_ascii().is_empty());
        let given = match (self.0.remove("file"), text) {
            (Some(file), None) => file,
            (None, Some(text)) => Bytes::from(unquoted(&String::from_utf8_lossy(&text))),
            (None, None) => {
                return Err(Refusal::new(Code::RequestInvalid, "no file was chosen and no text pasted"));
            }
            (Some(_), Some(_)) => {
                return Err(Refusal::new(Code::RequestInvalid, "a file was chosen and a text pasted"));
            }
        };
        armor::dearmor(given.into()).map_err(|error| Refusal::from_error(error.code(), &error))
    }
}

/// A form without fields: a button was pressed.
#[derive(Debug)]
pub(in crate::service) struct Pressed;

impl FromRequest<Arc<Service>> for Pressed {
    type Rejection = Problem;

    async fn from_request(request: Request, service: &Arc<Service>) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let client = Client::from_request_parts(&mut parts, service).await?;
        let (pressed, _place) = Form::receive(service, client, &parts.headers, body, &[], |_| Self).await?;
        Ok(pressed)
    }
}

/// What stands between the parts of a form.
///
/// # Errors
/// `request_invalid` for what is no form.
pub(in crate::service) fn boundary(headers: &HeaderMap) -> Result<String, Refusal> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    multer::parse_boundary(kind.unwrap_or_default()).map_err(|error| invalid(&error))
}

/// The text form without what a mail puts around it: other text before and after, and marks of quotation.
fn unquoted(text: &str) -> String {
    let is_around = |symbol: char| symbol == '>' || symbol == '\u{feff}' || symbol.is_whitespace();
    let lines = text.lines().map(|line| line.trim_matches(is_around));
    let mut form = String::new();
    for line in lines.skip_while(|line| !line.starts_with(BEGIN)) {
        form.push_str(line);
        form.push('\n');
        if line.starts_with(END) {
            return form;
        }
    }
    if form.is_empty() { text.to_owned() } else { form }
}

fn invalid(error: &multer::Error) -> Refusal {
    Refusal::from_error(Code::RequestInvalid, error)
}

#[cfg(test)]
mod tests {
    use schemas::container::FileKind;

    use super::*;

    fn form(fields: &[(&str, &[u8])]) -> Form {
        Form(fields.iter().map(|(name, value)| ((*name).to_owned(), Bytes::copy_from_slice(value))).collect())
    }

    #[test]
    fn a_text_form_is_found_in_the_mail_that_quotes_it() {
        let bytes: Vec<u8> = (0..=255).collect();
        let text = armor::armor(FileKind::Bundle, &bytes);
        let quoted: String = text.lines().flat_map(|line| ["> > ", line, "\u{a0}\r\n"]).collect();
        let mail = format!("Dear all,\r\n> see below:\r\n{quoted}> -- \r\n> M.\r\n");
        for pasted in [text.as_str(), &mail, &format!("\u{feff}{text}")] {
            assert_eq!(form(&[("text", pasted.as_bytes())]).into_file().expect("whole"), bytes, "{pasted}");
        }
    }

    #[test]
    fn exactly_one_file_is_taken() {
        let code = |fields: &[(&str, &[u8])]| form(fields).into_file().map_err(|refusal| refusal.code());
        assert_eq!(code(&[]), Err(Code::RequestInvalid));
        assert_eq!(code(&[("file", b"a"), ("text", b"b")]), Err(Code::RequestInvalid));
        assert_eq!(code(&[("file", b"a"), ("text", b" \r\n")]), Ok(b"a".to_vec()));
        assert_eq!(code(&[("text", b"-----BEGIN COUNTERFOIL BUNDLE-----\nAA==\n")]), Err(Code::Damaged));
    }

    #[test]
    fn what_is_no_form_or_another_one_is_refused() {
        let parse = |text: &str| {
            Form::parse(text.as_bytes().to_vec(), "x".into(), &["chain"]).map_err(|refusal| refusal.code())
        };
        let field = |name: &str| {
            format!("--x\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\nhello\r\n--x--\r\n")
        };
        assert_eq!(parse(&field("chain")).expect("a form").word("chain"), "hello");
        for text in [field("other"), String::new(), "--x\r\n".to_owned(), field("chain")[..40].to_owned()] {
            assert_eq!(parse(&text).err(), Some(Code::RequestInvalid), "{text}");
        }
    }
}
