"""The receiver of C-MOVE: one long-lived service, and the ledger of what has arrived."""
