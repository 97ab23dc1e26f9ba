"""The only room that knows LangChain: models, the loop, evidence, conversations, transcripts."""
