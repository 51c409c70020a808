//! Tokens: who may use the service, known by the SHA-256 of what is shown once.

use ledger::authority::Issuer;
use schemas::bundle::Attachment;
use schemas::event::Body;
use schemas::event::authority::Role;
use schemas::event::catalog::OperatorChanged;
use schemas::ids::{Commitment, Digest};
use schemas::numbers::Micros;

use super::database::{Database, Row, all, one};
use super::{StoreError, catalog, statements};
use crate::store::views::Token;

pub(super) fn list(db: &mut dyn Database) -> Result<Vec<Token>, StoreError> {
    all(db, &statements::TOKENS, &[], token)
}

pub(super) fn one_of(db: &mut dyn Database, digest: &Digest) -> Result<Option<Token>, StoreError> {
    one(db, &statements::TOKEN, &[digest.as_bytes().into()], token)
}

fn token(row: &mut Row) -> Result<Token, StoreError> {
    Ok(Token {
        digest: Digest(row.fixed()?),
        operator: Commitment(row.fixed()?),
        role: Role::from_number(row.uint()?).ok_or(StoreError::Damaged("role"))?,
        created_at: row.micros()?,
        expires_at: row.optional_micros()?,
        revoked_at: row.optional_micros()?,
    })
}

pub(super) fn add(
    db: &mut dyn Database,
    issuer: &Issuer,
    now: Micros,
    token: &Token,
    name: &Attachment,
) -> Result<(), StoreError> {
    write(db, issuer, now, token, true, std::slice::from_ref(name))?;
    let row = vec![
        token.digest.as_bytes().into(),
        token.operator.as_bytes().into(),
        token.role.number().into(),
        token.created_at.into(),
        token.expires_at.into(),
        token.revoked_at.into(),
    ];
    db.insert(&statements::NEW_TOKEN, &[row])?;
    Ok(())
}

pub(super) fn revoke(
    db: &mut dyn Database,
    issuer: &Issuer,
    now: Micros,
    token: &Token,
) -> Result<bool, StoreError> {
    let revoked = db.execute(&statements::REVOKE_TOKEN, &[now.into(), token.digest.as_bytes().into()])?;
    if revoked > 0 {
        write(db, issuer, now, token, false, &[])?;
    }
    Ok(revoked > 0)
}

/// Writes onto the catalog what the token's operator may do.
fn write(
    db: &mut dyn Database,
    issuer: &Issuer,
    now: Micros,
    token: &Token,
    active: bool,
    attachments: &[Attachment],
) -> Result<(), StoreError> {
    let Token { operator, role, .. } = *token;
    catalog::change(db, issuer, now, &mut |draft| {
        draft.write(Body::OperatorChanged(OperatorChanged { operator, role, active }))?;
        Ok(attachments.to_vec())
    })?;
    Ok(())
}
