//! The store under many threads of one process: they share a few connections to the server, or a file, each for as long as
//! a unit of work lasts; what is lost or left in the midst of something is thrown away.

use std::thread;

use counterfoil_tests::postgres::database;
use counterfoil_tests::{Cell, Lab, Tables};
use reconciler::store::{NewQuarantine, Place, SqlStore, Store, UsageFilter};
use schemas::codes::Code;
use schemas::numbers::Micros;

const COUNTED: &str = "--max-activations 1000 --mode render=counted --sync-every 30d";
/// More than there are connections.
const THREADS: u8 = 12;
const EACH: u8 = 15;
/// Connections of the store to the database that is asked, but for the one that asks.
const CONNECTIONS: &str = "SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'counterfoil'";

fn put(store: &mut dyn Store, bytes: [u8; 2]) {
    let entry = NewQuarantine {
        source: "by a thread".to_owned(),
        code: Code::Damaged,
        chain: None,
        span: None,
        follows: None,
        bytes: bytes.to_vec(),
    };
    store.put_in_quarantine(&[entry], Micros::new(1)).expect("it is kept");
}

/// So many threads write and read at the same time.
fn work(store: &SqlStore, threads: u8) {
    thread::scope(|scope| {
        for thread in 0..threads {
            let mut store = store.another().expect("the same ledger");
            scope.spawn(move || {
                for number in 0..EACH {
                    put(store.as_mut(), [thread, number]);
                    assert_eq!(store.catalog().expect("a catalog").products.len(), 1);
                }
            });
        }
    });
}

fn count(tables: &Tables, query: &str) -> i64 {
    match tables.row(query, &[]).remove(0) {
        Cell::Int(count) => count,
        other => panic!("{other:?}"),
    }
}

#[test]
fn threads_share_few_connections_and_those_that_were_lost_are_made_anew() {
    let url = database();
    let lab = Lab::with_store(&url, COUNTED);
    let mut store = Place::Postgres(format!("{url}?connections=3")).open().expect("a ledger");
    work(&store, THREADS);
    let tables = Tables::of(&lab.home());
    let open = count(&tables, CONNECTIONS);
    assert!((1..=3).contains(&open), "{open} connections");
    assert_eq!(store.quarantine().expect("a list").len(), usize::from(THREADS) * usize::from(EACH));

    let cut = CONNECTIONS.replace("count(*)", "count(pg_terminate_backend(pid))");
    assert_eq!(count(&tables, &cut), open);
    put(&mut store, [255, 1]);
    work(&store, THREADS);
    assert_eq!(store.quarantine().expect("a list").len(), usize::from(THREADS) * usize::from(EACH) + 1);
    assert!(count(&tables, CONNECTIONS) <= 3);
}

/// A unit of work that is left in its midst leaves no transaction behind, and nobody waits for its connection.
#[test]
fn a_connection_that_is_left_in_the_midst_of_something_is_thrown_away() {
    let url = database();
    let lab = Lab::with_store(&url, COUNTED);
    let license = lab.issue();
    lab.activate("dev1", &license);
    lab.device("dev1", "consume render 1").done();
    lab.sync("dev1");
    let store = Place::Postgres(format!("{url}?connections=1")).open().expect("a ledger");
    let mut left = store.another().expect("the same ledger");
    let panicked =
        thread::spawn(move || left.usage(&UsageFilter::default(), &mut |_| panic!("a reader that gives up")));
    assert!(panicked.join().is_err());
    work(&store, THREADS);
    let tables = Tables::of(&lab.home());
    assert_eq!(count(&tables, &format!("{CONNECTIONS} AND state = 'idle in transaction'")), 0);
}

#[test]
fn threads_share_a_file() {
    let lab = Lab::with_store("sqlite:", COUNTED);
    let mut store = Place::Sqlite(lab.home().join("ledger.db")).open().expect("a ledger");
    work(&store, 3);
    assert_eq!(store.quarantine().expect("a list").len(), 3 * usize::from(EACH));
}

#[test]
fn a_number_of_connections_that_is_none_is_refused() {
    let url = database();
    for said in ["0", "101", "many"] {
        Lab::empty()
            .vendor(&format!("init --store {url}?connections={said}"))
            .refused(2, "store_unsupported");
    }
    Lab::empty().vendor(&format!("init --store {url}?connections=1")).done();
}
