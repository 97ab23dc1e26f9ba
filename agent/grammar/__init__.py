"""The offline grammar behind `agent.question`: words -> tokens -> query -> plan. No LangChain.

``lexicon``, ``tokens`` and ``phrases`` make tokens; ``reader`` and ``state`` read them into a ``query``;
``plan`` orders its ``steps``, ``progress`` follows them, ``notes`` say how the question was taken. What a
token may mean stands in a package for each part of a question: ``limits``, ``relations``, ``wants``,
``chance``. ``followups`` change the question before, ``asking`` asks back, ``refusing`` declines.
``background``, ``hearsay``, ``asides`` and ``terse`` put aside or spell out what is said around a question.
"""
