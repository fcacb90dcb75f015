# How Elixir prints a term, with several options.
show = fn term ->
  out.({:erlang.term_to_binary(term),
    [
      inspect(term),
      inspect(term, limit: :infinity, printable_limit: :infinity),
      inspect(term, limit: 5, printable_limit: 10, charlists: :as_lists),
      inspect(term, limit: 0)
    ]})
end
