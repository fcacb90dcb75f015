%% What a case says when something is not as it should be. Each is a fun called at once, so that no variable escapes.

%% The value must be exactly this one.
-define(eq(Expected, Expression), check:eq(?LINE, ??Expression, Expected, Expression)).
%% The value must match.
-define(match(Pattern, Expression),
        (fun() ->
                 case Expression of
                     Pattern -> ok;
                     Got__ -> check:fail(?LINE, "~ts should match ~ts, is ~0tp", [??Expression, ??Pattern, Got__])
                 end
         end)()).
%% It must exit, throw or fail like this.
-define(raises(Class, Pattern, Expression),
        (fun() ->
                 try Expression of
                     Value__ -> check:fail(?LINE, "~ts should raise ~ts:~ts, returns ~0tp",
                                           [??Expression, ??Class, ??Pattern, Value__])
                 catch
                     Class:Pattern -> ok;
                     throw:{check_failed, _, _} = Failed__ -> throw(Failed__);
                     Class__:Reason__ -> check:fail(?LINE, "~ts should raise ~ts:~ts, raises ~0tp",
                                                    [??Expression, ??Class, ??Pattern, {Class__, Reason__}])
                 end
         end)()).
%% This message must come (others stay where they are).
-define(got(Pattern), ?got(Pattern, 5000)).
-define(got(Pattern, Ms),
        (fun() ->
                 receive Pattern -> ok
                 after Ms -> check:fail(?LINE, "no message like ~ts within ~w ms; there: ~0tp",
                                        [??Pattern, Ms, check:waiting()])
                 end
         end)()).
%% No message like this may come.
-define(none(Pattern), ?none(Pattern, 200)).
-define(none(Pattern, Ms),
        (fun() ->
                 receive (Pattern) = Unwanted__ -> check:fail(?LINE, "an unwanted message: ~0tp", [Unwanted__])
                 after Ms -> ok
                 end
         end)()).
%% It must become true within a few seconds.
-define(soon(Expression), check:soon(?LINE, ??Expression, fun() -> Expression end)).
