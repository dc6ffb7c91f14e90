"""From findings to cards: the words, in the reader's language, and the card as it goes out."""
