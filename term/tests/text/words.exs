# Atoms as values, keys and functions.
names = ~w|nil true false nilly Elixir Elixir.Elixir Elixir.Foo Elixir.Foo.Bar Elixir.foo Elixir.Foo. Elixir.Foo.bar Elixir.Foo_1.B
  Elixir.Elixir.Foo Elixir.nil Foo foo? foo! foo?! foo?x ? ! foo@bar @foo @ _ _a __struct__ é É été straße Ω ж жук a_ж 日本 a日本 カタカナ
  + - * / ** ++ -- +++ --- .. ... ..// . <> <- \\ -> => = == != === !== =~ < > <= >= << >> <<>> <<< >>> <~> ~> <~ <<~ ~>> ~~~ ^ ^^^
  & && &&& % %{} {} [] () // when and or not in fn do end nil? def if +foo foo+ 1 1a a1 µ aµ a·b ·a ª aª μ aμ жμ ǆ aǆ ĳ ſ ǎ ș ạ ё ӿ ή ϊ a日 ж日 日ж ひ한 日한 日ひ カa ー aー \u0301 e\u0301|
names = names ++ ["|", "||", "|||", "::", ":", "|>", "<|>", "e\u0301", "[]", "()", "", " ", "a b", "\"", "a\"b", "a'b", "\#{a}", "#", "\\", "\n", "\0", "\x7f", "\u0080", "é", "\uFEFF", "\uFFFD", "😀", "a😀"]
for name <- names, atom = String.to_atom(name) do
  show.(atom)
  show.([{atom, 1}])
  show.([{atom, 1}, {:b, 2}])
  show.(%{atom => 1})
  show.(%{atom => 1, 1 => 2})
  show.(Function.capture(atom, :f, 1))
  show.(Function.capture(Foo, atom, 2))
  show.(Function.capture(:m, atom, 2))
end
Enum.each(:text_peer.atoms(), show)
