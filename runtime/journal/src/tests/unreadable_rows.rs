//! A row that was damaged hides no other row, and is named.

use super::*;
use crate::{ReadOnlyJournal, UnreadableRow};
use pylon_core::rows::Row;

/// Goal: damage in one row of a job, an invoice or a message leaves the others readable, and names
/// the row without quoting it. Method: three jobs with a message each, and one damage for each row
/// of the table below.
#[tokio::test]
async fn damaged_row_hides_no_other() {
    for (damage, jobs, messages, reason) in [
        ("jobs SET plan = 'canary'", 2, 3, "the column `plan` is not valid"),
        ("jobs SET customer_pubkey = 'canary'", 2, 3, "the column `customer_pubkey` is not valid"),
        ("jobs SET kind = 'canary'", 2, 3, "the column `kind` has the type Text"),
        ("jobs SET kind = -1", 2, 3, "the number in the column `kind` is out of range"),
        ("jobs SET request = 'canary'", 3, 3, "the column `request` is not valid"),
        ("jobs SET payment_hash = 'canary'", 3, 3, "the column `payment_hash` is not valid"),
        ("outbox SET id = 'canary'", 3, 2, "the column `id` is not valid"),
        ("outbox SET bytes = x'ff'", 3, 2, "the column `bytes` has the type Blob"),
    ] {
        let test = TestJournal::new();
        for number in 1..=3 {
            let rows = [Row::Admit(Box::new(done(number))), Row::Send(message(2 * number, number))];
            test.journal.commit(rows.into()).await.unwrap();
        }
        test.sqlite().execute_batch(&format!("UPDATE {damage} WHERE rowid = 2")).unwrap();
        assert_eq!(test.journal.unfinished().unwrap().len(), jobs, "{damage}");
        // The damaged one is the second: it takes no place of the limit.
        let unsent = test.journal.unsent(true, messages).unwrap();
        assert_eq!((unsent.len(), unsent.last()), (messages, Some(&message(6, 3))), "{damage}");
        let open = test.journal.open_invoices().unwrap();
        let damaged = usize::from(damage.contains("payment_hash"));
        assert_eq!(open.len(), 3 - damaged, "{damage}");

        let reader = ReadOnlyJournal::open(&test.path()).unwrap();
        let found = reader.unreadable_rows().unwrap();
        let table = damage.split(' ').next().unwrap();
        let [UnreadableRow { number: 2, job, .. }] = &found[..] else { panic!("{found:?}") };
        assert_eq!(*job, id(2).to_hex(), "{damage}");
        assert_eq!(
            found[0].to_string(),
            format!("row 2 of the table `{table}` (job {job}): {reason}")
        );
        let listed = reader.jobs(None, 3).unwrap();
        assert!(listed.iter().any(|state| state.job.id == id(1)), "{damage}");
    }
}
