"""Plans that run: their steps, proofs and promises, what closes them, and how they are practised."""
