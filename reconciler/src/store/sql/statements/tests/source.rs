//! Nothing outside the registry is carried out: the sources of this crate are read token by token. Databases are spoken to
//! in a few files only, and what these hand over is the registry's or of a list that is about transactions, settings,
//! tokens of commits and migrations.

mod lexer;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use sqlparser::dialect::{Dialect, PostgreSqlDialect, SQLiteDialect};
use sqlparser::parser::Parser;

use self::lexer::{Lexeme, lexemes};

/// The crates through which a database is reached.
const DRIVERS: [&str; 4] = ["deadpool", "refinery", "rusqlite", "tokio_postgres"];
/// Their methods that take SQL, or what was prepared of it.
const METHODS: [&str; 18] = [
    "batch_execute",
    "copy_in",
    "copy_out",
    "execute",
    "execute_batch",
    "execute_typed",
    "prepare",
    "prepare_cached",
    "prepare_typed",
    "query",
    "query_one",
    "query_opt",
    "query_raw",
    "query_row",
    "query_typed",
    "query_typed_raw",
    "simple_query",
    "simple_query_raw",
];
/// The files that may reach a database, and what each hands over first to these methods.
const HANDED_OVER: &[(&str, &[&str])] = &[
    ("commands/doctor.rs", &[]),
    (
        "store/postgres.rs",
        &[
            r#"batch_execute "COMMIT""#,
            r#"batch_execute "ROLLBACK""#,
            "batch_execute begin",
            "execute & prepared",
            "execute prepared",
            "prepare & insert . sql ( part . len ( ) )",
            "query & prepared",
            "query_raw & prepared",
        ],
    ),
    (
        "store/postgres/citus.rs",
        &[
            "batch_execute & empty",
            "batch_execute & placing ( table , placement )",
            r#"query_one "SELECT pg_relation_size(to_regclass($1)) > 0""#,
            "query_one sql",
        ],
    ),
    (
        "store/postgres/connection.rs",
        &[
            r#"batch_execute "BEGIN ISOLATION LEVEL READ COMMITTED""#,
            r#"batch_execute "LOCK TABLE licenses IN EXCLUSIVE MODE""#,
            "batch_execute SETTINGS",
            r#"execute "DELETE FROM commits WHERE token = $1""#,
            "execute leave",
            "execute refuse",
            r#"query_one "SELECT current_setting($1)""#,
            r#"query_one "SELECT current_setting('server_version')""#,
            "query_one answer",
            "query_one sql",
        ],
    ),
    (
        "store/postgres/migrations.rs",
        &[
            "batch_execute VERSIONS",
            "batch_execute statement",
            "execute insert",
            r#"query_one "SELECT max(version) FROM schema_versions""#,
            r#"query_one "SELECT to_regclass('schema_versions') IS NOT NULL""#,
        ],
    ),
    (
        "store/postgres/pool.rs",
        &[
            r#"prepare & format ! ( "{} FOR UPDATE" , statement . sql ( ) )"#,
            "prepare statement . sql ( )",
            "prepare_typed sql",
        ],
    ),
    ("store/postgres/values.rs", &[]),
    (
        "store/sqlite.rs",
        &[
            "execute [ ]",
            r#"execute_batch "ROLLBACK""#,
            r#"prepare_cached "COMMIT""#,
            "prepare_cached & insert . sql ( 1 )",
            "prepare_cached begin",
            "prepare_cached statement . sql ( )",
            r#"query_row "PRAGMA application_id""#,
        ],
    ),
    (
        "store/sqlite/copy.rs",
        &[r#"query_row "PRAGMA page_size""#, r#"query_row "SELECT COUNT(*) FROM sqlite_schema""#],
    ),
    ("store/sqlite/log.rs", &[r#"query_row "PRAGMA wal_checkpoint(PASSIVE)""#]),
];
/// All SQL in these files: what names above stand for, such as `SETTINGS`, `begin` and `sql`, is among it.
const OWN_SQL: [&str; 31] = [
    "BEGIN DEFERRED",
    "BEGIN IMMEDIATE",
    "BEGIN ISOLATION LEVEL READ COMMITTED",
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    "COMMIT",
    "CREATE TABLE IF NOT EXISTS schema_versions (version BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL)",
    "DELETE FROM commits WHERE token = $1",
    "INSERT INTO commits (token, committed) VALUES ($1, 0) ON CONFLICT (token) DO NOTHING",
    "INSERT INTO commits (token, committed) VALUES ($1, 1)",
    "INSERT INTO schema_versions (version, name) VALUES ($1, $2)",
    "LOCK TABLE licenses IN EXCLUSIVE MODE",
    "PRAGMA application_id",
    "PRAGMA page_size",
    "ROLLBACK",
    "SELECT COUNT(*) FROM sqlite_schema",
    "SELECT EXISTS (SELECT FROM catalog_runs) OR EXISTS (SELECT FROM runs) OR EXISTS (SELECT FROM quarantine)",
    "SELECT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = to_regclass($1) AND partmethod::text = $2)",
    "SELECT citus_add_local_table_to_metadata('{table}')",
    "SELECT committed FROM commits WHERE token = $1",
    "SELECT create_distributed_table('{table}', '{key}', colocate_with => 'none', shard_count => 32)",
    "SELECT create_distributed_table('{table}', 'license_id', colocate_with => 'licenses')",
    "SELECT create_distributed_table('{table}', 'license_id', shard_count => 32)",
    "SELECT create_reference_table('{table}')",
    "SELECT current_setting($1)",
    "SELECT current_setting('server_version')",
    "SELECT max(version) FROM schema_versions",
    "SELECT pg_relation_size(to_regclass($1)) > 0",
    "SELECT to_regclass('schema_versions') IS NOT NULL",
    "SELECT to_regproc('citus_add_local_table_to_metadata') IS NOT NULL",
    "SELECT truncate_local_data_after_distributing_table('{table}')",
    "SET synchronous_commit = on; SET TimeZone = 'UTC'; SET lock_timeout = '30s'; \
     SET client_min_messages = warning",
];

#[test]
fn databases_are_reached_in_few_files() {
    let reaching: BTreeSet<String> = sources()
        .into_iter()
        .filter(|(_, lexemes)| lexemes.iter().any(|lexeme| is_word(lexeme, &DRIVERS)))
        .map(|(name, _)| name)
        .collect();
    let allowed: BTreeSet<String> = HANDED_OVER.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(reaching, allowed);
}

#[test]
fn what_is_handed_over_is_known() {
    let found: BTreeSet<(String, String)> = driver_sources()
        .into_iter()
        .flat_map(|(name, lexemes)| {
            handed_over(&lexemes).map(|call| (name.clone(), call)).collect::<Vec<_>>()
        })
        .collect();
    let allowed = HANDED_OVER.iter().flat_map(|(name, calls)| calls.iter().map(move |call| (*name, *call)));
    let allowed: BTreeSet<(String, String)> =
        allowed.map(|(name, call)| (name.to_owned(), call.to_owned())).collect();
    assert_eq!(found, allowed);
}

#[test]
fn sql_outside_the_registry_is_known() {
    let dialects: [&dyn Dialect; 2] = [&PostgreSqlDialect {}, &SQLiteDialect {}];
    let is_sql = |text: &str| {
        let mut read = dialects.iter().map(|dialect| Parser::parse_sql(*dialect, text));
        read.any(|statements| statements.is_ok_and(|statements| !statements.is_empty()))
    };
    let found: BTreeSet<String> = driver_sources()
        .into_iter()
        .flat_map(|(_, lexemes)| lexemes)
        .filter_map(|lexeme| match lexeme {
            Lexeme::Text(text) if is_sql(&text) => {
                Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
            }
            _ => None,
        })
        .collect();
    assert_eq!(found, OWN_SQL.iter().map(|text| (*text).to_owned()).collect());
}

/// What makes a statement is private to the registry.
#[test]
fn only_the_registry_makes_statements() {
    let (_, lexemes) =
        sources().into_iter().find(|(name, _)| name == "store/sql/statements.rs").expect("the registry");
    for kind in ["Statement", "Insert"] {
        let fields = block_after(&lexemes, &["struct", kind]);
        assert!(fields.len() > 3 && !fields.iter().any(|lexeme| is_word(lexeme, &["pub"])), "{kind}");
    }
    let methods = block_after(&lexemes, &["impl", "Statement"]);
    for name in ["new", "locking"] {
        let at = position_of(methods, &["const", "fn", name]).expect("a constructor");
        let before = at.checked_sub(1).map(|before| &methods[before]);
        assert!(matches!(before, None | Some(Lexeme::Mark('}' | ']'))), "{name} is after {before:?}");
    }
}

/// A reader of sources that overlooked something would find nothing to object to.
#[test]
fn what_is_handed_over_is_found_wherever_it_stands() {
    let source = r#"
        // client.execute("comment")
        /* client.query(/* nested */ "comment") */
        fn f<'a>(c: &'a C) { c.execute("DELETE FROM \"runs\"", &[]); c . query(r"SELECT 'a'"); }
        fn g() { let quote = '"'; c.prepare(&format!("{} x", y(1, 2)), 3); }
        #[cfg(test)]
        mod tests { fn f() { c.execute("test") } }
    "#;
    let found: Vec<String> = handed_over(&lexemes(source)).collect();
    assert_eq!(
        found,
        [
            r#"execute "DELETE FROM \"runs\"""#,
            r#"query "SELECT 'a'""#,
            r#"prepare & format ! ( "{} x" , y ( 1 , 2 ) )"#,
        ]
    );
}

/// The sources of this crate by name, tests left out.
fn sources() -> Vec<(String, Vec<Lexeme>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    assert!(files.len() > 50, "the sources are there");
    let named = files.into_iter().map(|path| {
        let name = path.strip_prefix(&root).expect("below it").to_string_lossy().replace('\\', "/");
        (name, lexemes(&fs::read_to_string(&path).expect("readable")))
    });
    named.collect()
}

fn driver_sources() -> Vec<(String, Vec<Lexeme>)> {
    let mut sources = sources();
    sources.retain(|(_, lexemes)| lexemes.iter().any(|lexeme| is_word(lexeme, &DRIVERS)));
    sources
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("readable") {
        let path = entry.expect("readable").path();
        let is_of_tests = path.file_stem().is_some_and(|stem| stem == "tests");
        if path.is_dir() && !is_of_tests {
            collect(&path, files);
        } else if path.extension().is_some_and(|end| end == "rs") && !is_of_tests {
            files.push(path);
        }
    }
}

/// Each call of one of the methods, with its first argument.
fn handed_over(lexemes: &[Lexeme]) -> impl Iterator<Item = String> {
    lexemes.windows(3).enumerate().filter_map(|(at, window)| match window {
        [Lexeme::Mark('.'), Lexeme::Word(method), Lexeme::Mark('(')]
            if METHODS.contains(&method.as_str()) =>
        {
            Some(format!("{method} {}", argument(&lexemes[at + 3..])))
        }
        _ => None,
    })
}

/// The first argument, its tokens apart.
fn argument(lexemes: &[Lexeme]) -> String {
    let mut depth = 0;
    let first = lexemes.iter().take_while(|lexeme| {
        match lexeme {
            Lexeme::Mark('(' | '[' | '{') => depth += 1,
            Lexeme::Mark(')' | ']' | '}') => depth -= 1,
            _ => {}
        }
        depth >= 0 && !(depth == 0 && **lexeme == Lexeme::Mark(','))
    });
    first.map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// What stands in the braces after these words.
fn block_after<'a>(lexemes: &'a [Lexeme], words: &[&str]) -> &'a [Lexeme] {
    let at = position_of(lexemes, words).expect("it is there") + words.len() + 1;
    let mut depth = 1;
    let length = lexemes[at..].iter().take_while(|lexeme| {
        match lexeme {
            Lexeme::Mark('{') => depth += 1,
            Lexeme::Mark('}') => depth -= 1,
            _ => {}
        }
        depth > 0
    });
    &lexemes[at..at + length.count()]
}

fn position_of(lexemes: &[Lexeme], words: &[&str]) -> Option<usize> {
    lexemes
        .windows(words.len())
        .position(|window| window.iter().zip(words).all(|(lexeme, word)| is_word(lexeme, &[*word])))
}

fn is_word(lexeme: &Lexeme, words: &[&str]) -> bool {
    matches!(lexeme, Lexeme::Word(word) if words.contains(&word.as_str()))
}
