"""The offline grammar behind `agent.question`: words -> tokens -> query -> plan. No LangChain."""
